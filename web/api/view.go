package api

import (
	"math"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// push is a push as clients see it. What is absent has no member.
type push struct {
	ID          string            `json:"id,omitempty"`
	State       tasks.State       `json:"state"`
	Status      tasks.State       `json:"status"` // State by its older name
	Desired     tasks.Desired     `json:"desired"`
	VideoSrc    string            `json:"videoSrc"`
	SDKAppID    uint32            `json:"sdkAppId"`
	RoomID      string            `json:"roomId"`
	UserID      string            `json:"userId"`
	ClientRole  string            `json:"clientRole"`
	Redis       bool              `json:"redis"`
	Mode        media.SourceMode  `json:"mode"`
	ResumeScope tasks.ResumeScope `json:"resumeScope,omitempty"`
	wishes
	Attempt   int64               `json:"attempt"`
	Worker    string              `json:"worker,omitempty"`
	CreatedAt string              `json:"createdAt,omitempty"`
	StartedAt string              `json:"startedAt,omitempty"`
	EndedAt   string              `json:"endedAt,omitempty"`
	Source    *tasks.SourceReport `json:"source,omitempty"`
	Plan      *media.Plan         `json:"plan,omitempty"`
	Progress  *progress           `json:"progress,omitempty"`
	Warnings  []tasks.Warning     `json:"warnings,omitempty"`
	Trouble   *trouble            `json:"trouble,omitempty"`
	Error     *tasks.Failure      `json:"error,omitempty"`
}

// trouble is what is not well with a push.
type trouble struct {
	Side      tasks.Side `json:"side"`
	Code      tasks.Code `json:"code"`
	Message   string     `json:"message"`
	Since     string     `json:"since"`
	Tries     int        `json:"tries,omitempty"`
	NextTryAt string     `json:"nextTryAt,omitempty"`
	GivesUpAt string     `json:"givesUpAt,omitempty"`
}

type progress struct {
	PositionMs     int64   `json:"positionMs"`
	DurationMs     int64   `json:"durationMs,omitempty"`
	BitrateKbps    int64   `json:"bitrateKbps"`
	FPS            float64 `json:"fps"`
	SentBytes      int64   `json:"sentBytes"`
	DroppedPackets int64   `json:"droppedPackets"`
	Reconnects     int64   `json:"reconnects"`
	LatenessMsP99  int64   `json:"latenessMsP99"`
	SlippedMs      int64   `json:"slippedMs"`
	PlayedMs       int64   `json:"playedMs"`
	Loop           *int    `json:"loop,omitempty"` // of a push that repeats
	UpdatedAt      string  `json:"updatedAt,omitempty"`

	Coverage *tasks.CoverageReport `json:"coverage,omitempty"`
}

type page struct {
	Pushes     []push `json:"pushes"`
	NextCursor string `json:"nextCursor,omitempty"`
}

type event struct {
	At      string          `json:"at"`
	Type    tasks.EventType `json:"type"`
	State   tasks.State     `json:"state,omitempty"`
	Side    tasks.Side      `json:"side,omitempty"`
	Code    string          `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
	Attempt int64           `json:"attempt,omitempty"`
}

type history struct {
	Events []event `json:"events"`
}

func viewPush(p tasks.Push) push {
	return push{
		ID: p.ID, State: p.State, Status: p.State, Desired: p.Desired,
		VideoSrc: p.Spec.VideoSrc, SDKAppID: p.Spec.SDKAppID, RoomID: p.Spec.RoomID, UserID: p.Spec.UserID,
		ClientRole: p.Spec.ClientRole, Redis: p.Spec.Redis, Mode: p.Spec.Mode, ResumeScope: p.Spec.ResumeScope,
		wishes:  viewWishes(p.Spec),
		Attempt: p.Epoch, Worker: p.Worker,
		CreatedAt: stamp(p.CreatedAt), StartedAt: stamp(p.StartedAt), EndedAt: stamp(p.EndedAt),
		Source: p.Source, Plan: p.Plan, Progress: viewProgress(p), Warnings: p.Warnings, Trouble: viewTrouble(p.Trouble), Error: p.Failure,
	}
}

func viewProgress(of tasks.Push) *progress {
	p := of.Progress
	if p == nil {
		return nil
	}
	v := &progress{
		PositionMs:     p.Position.Milliseconds(),
		DurationMs:     p.Duration.Milliseconds(),
		BitrateKbps:    int64(p.Bitrate) / 1000,
		FPS:            math.Round(p.FPS*100) / 100,
		SentBytes:      p.SentBytes,
		DroppedPackets: p.DroppedPackets,
		Reconnects:     p.Reconnects,
		LatenessMsP99:  p.LatenessP99.Milliseconds(),
		SlippedMs:      p.Slipped.Milliseconds(),
		PlayedMs:       p.Played.Milliseconds(),
		UpdatedAt:      stamp(p.UpdatedAt),
		Coverage:       tasks.CoverageOf(*p),
	}
	if !of.Spec.Options.PlaysOnce() {
		v.Loop = &p.Loop
	}
	return v
}

func viewTrouble(t *tasks.Trouble) *trouble {
	if t == nil {
		return nil
	}
	return &trouble{t.Side, t.Code, t.Message, stamp(t.Since), t.Tries, stamp(t.NextTryAt), stamp(t.GivesUpAt)}
}

func viewPage(p tasks.Page) page {
	v := page{Pushes: make([]push, 0, len(p.Pushes)), NextCursor: p.NextCursor}
	for _, one := range p.Pushes {
		v.Pushes = append(v.Pushes, viewPush(one))
	}
	return v
}

func viewEvents(events []tasks.Event) history {
	v := history{Events: make([]event, 0, len(events))}
	for _, e := range events {
		v.Events = append(v.Events, viewEvent(e))
	}
	return v
}

func viewEvent(e tasks.Event) event {
	return event{stamp(e.At), e.Type, e.State, e.Side, e.Code, e.Message, e.Epoch}
}

// stamp is RFC 3339 in UTC with milliseconds; empty for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
