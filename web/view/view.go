// Package view is a push as clients see it, in answers and in webhooks.
package view

import (
	"math"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// Push is a push as clients see it. What is absent has no member.
type Push struct {
	ID          string            `json:"id,omitempty"`
	State       tasks.State       `json:"state"`
	Status      tasks.State       `json:"status"` // State by its older name
	Desired     tasks.Desired     `json:"desired"`
	VideoSrc    string            `json:"videoSrc"`
	SDKAppID    uint32            `json:"sdkAppId"`
	RoomID      string            `json:"roomId"`
	UserID      string            `json:"userId"`
	ClientRole  string            `json:"clientRole"`
	Minted      bool              `json:"userSigMinted,omitempty"` // its userSig is the API's own
	Redis       bool              `json:"redis"`
	Mode        media.SourceMode  `json:"mode"`
	ResumeScope tasks.ResumeScope `json:"resumeScope,omitempty"`
	options
	Metadata       map[string]string `json:"metadata,omitempty"`
	CallbackURL    string            `json:"callbackUrl,omitempty"`
	CallbackEvents []string          `json:"callbackEvents,omitempty"`
	WebhooksLost   int64             `json:"webhooksLost,omitempty"` // that its outbox had no room for

	Attempt   int64               `json:"attempt"`
	Worker    string              `json:"worker,omitempty"`
	CreatedAt string              `json:"createdAt,omitempty"`
	StartedAt string              `json:"startedAt,omitempty"`
	EndedAt   string              `json:"endedAt,omitempty"`
	Source    *tasks.SourceReport `json:"source,omitempty"`
	Plan      *media.Plan         `json:"plan,omitempty"`
	Progress  *Progress           `json:"progress,omitempty"`
	Warnings  []tasks.Warning     `json:"warnings,omitempty"`
	Trouble   *Trouble            `json:"trouble,omitempty"`
	Error     *tasks.Failure      `json:"error,omitempty"`
}

// Trouble is what is not well with a push.
type Trouble struct {
	Side      tasks.Side `json:"side"`
	Code      tasks.Code `json:"code"`
	Message   string     `json:"message"`
	Since     string     `json:"since"`
	Tries     int        `json:"tries,omitempty"`
	NextTryAt string     `json:"nextTryAt,omitempty"`
	GivesUpAt string     `json:"givesUpAt,omitempty"`
}

// Progress is how far a push is.
type Progress struct {
	PositionMs     int64   `json:"positionMs"`
	DurationMs     int64   `json:"durationMs,omitempty"`
	BitrateKbps    int64   `json:"bitrateKbps"`
	FPS            float64 `json:"fps"`
	SentBytes      int64   `json:"sentBytes"`
	DroppedPackets int64   `json:"droppedPackets"`
	Reconnects     int64   `json:"reconnects"`
	LatenessMsP99  int64   `json:"latenessMsP99"`
	SlippedMs      int64   `json:"slippedMs"`
	ResumedFromMs  int64   `json:"resumedFromMs,omitempty"`
	PlayedMs       int64   `json:"playedMs"`
	Loop           *int    `json:"loop,omitempty"` // of a push that repeats
	UpdatedAt      string  `json:"updatedAt,omitempty"`

	Coverage *tasks.CoverageReport `json:"coverage,omitempty"`
}

// Page is a part of a list.
type Page struct {
	Pushes     []Push `json:"pushes"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// Event is one line of a push's history.
type Event struct {
	At      string          `json:"at"`
	Type    tasks.EventType `json:"type"`
	State   tasks.State     `json:"state,omitempty"`
	Side    tasks.Side      `json:"side,omitempty"`
	Code    string          `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
	Attempt int64           `json:"attempt,omitempty"`
}

// History is what happened to a push, oldest first.
type History struct {
	Events []Event `json:"events"`
}

// Of returns p as clients see it.
func Of(p tasks.Push) Push {
	return Push{
		ID: p.ID, State: p.State, Status: p.State, Desired: p.Desired,
		VideoSrc: p.Spec.VideoSrc, SDKAppID: p.Spec.SDKAppID, RoomID: p.Spec.RoomID, UserID: p.Spec.UserID,
		ClientRole: p.Spec.ClientRole, Minted: p.Spec.UserSigMinted, Redis: p.Spec.Redis, Mode: p.Spec.Mode, ResumeScope: p.Spec.ResumeScope,
		options:  viewOptions(p.Spec),
		Metadata: p.Spec.Metadata, CallbackURL: p.Spec.CallbackURL, CallbackEvents: viewCallbackEvents(p.Spec), WebhooksLost: p.WebhooksLost,
		Attempt: p.Epoch, Worker: p.Worker,
		CreatedAt: Stamp(p.CreatedAt), StartedAt: Stamp(p.StartedAt), EndedAt: Stamp(p.EndedAt),
		Source: p.Source, Plan: p.Plan, Progress: OfProgress(p), Warnings: p.Warnings, Trouble: OfTrouble(p.Trouble), Error: p.Failure,
	}
}

// viewCallbackEvents are those a request's own callback is told.
func viewCallbackEvents(s tasks.Spec) []string {
	var types []string
	for _, name := range s.Webhooks {
		types = append(types, tasks.WebhookPrefix+name)
	}
	return types
}

// OfProgress returns how far a push is, nil before it publishes.
func OfProgress(of tasks.Push) *Progress {
	p := of.Progress
	if p == nil {
		return nil
	}
	v := &Progress{
		PositionMs:     p.Position.Milliseconds(),
		DurationMs:     p.Duration.Milliseconds(),
		BitrateKbps:    int64(p.Bitrate) / 1000,
		FPS:            rounded(p.FPS),
		SentBytes:      p.SentBytes,
		DroppedPackets: p.DroppedPackets,
		Reconnects:     p.Reconnects,
		LatenessMsP99:  p.LatenessP99.Milliseconds(),
		SlippedMs:      p.Slipped.Milliseconds(),
		ResumedFromMs:  p.Resumed.Milliseconds(),
		PlayedMs:       p.Played.Milliseconds(),
		UpdatedAt:      Stamp(p.UpdatedAt),
		Coverage:       tasks.CoverageOf(*p),
	}
	if !of.Spec.Options.PlaysOnce() {
		v.Loop = &p.Loop
	}
	return v
}

func rounded(fps float64) float64 { return math.Round(fps*100) / 100 }

// OfTrouble returns a push's trouble, nil for none.
func OfTrouble(t *tasks.Trouble) *Trouble {
	if t == nil {
		return nil
	}
	return &Trouble{t.Side, t.Code, t.Message, Stamp(t.Since), t.Tries, Stamp(t.NextTryAt), Stamp(t.GivesUpAt)}
}

// Each is what of makes of each; never nil, for an empty list is shown.
func Each[T, V any](all []T, of func(T) V) []V {
	shown := make([]V, len(all))
	for i, one := range all {
		shown[i] = of(one)
	}
	return shown
}

// OfPage returns a page of a list.
func OfPage(p tasks.Page) Page { return Page{Each(p.Pushes, Of), p.NextCursor} }

// OfEvents returns a history.
func OfEvents(events []tasks.Event) History { return History{Each(events, OfEvent)} }

// Sample is how a push went for ten seconds.
type Sample struct {
	At             string  `json:"at"`
	BitrateKbps    int64   `json:"bitrateKbps"`
	FPS            float64 `json:"fps"`
	LatenessMs     int64   `json:"latenessMs"`
	DroppedPackets int64   `json:"droppedPackets"`
}

// Samples are those of the last hour that a push ran, oldest first.
type Samples struct {
	Samples []Sample `json:"samples"`
}

// OfSamples returns how a push went.
func OfSamples(samples []tasks.Sample) Samples {
	return Samples{Each(samples, func(s tasks.Sample) Sample {
		return Sample{Stamp(s.At), int64(s.Bitrate) / 1000, rounded(s.FPS), s.Lateness.Milliseconds(), s.DroppedPackets}
	})}
}

// OfEvent returns one line of a history.
func OfEvent(e tasks.Event) Event {
	return Event{Stamp(e.At), e.Type, e.State, e.Side, e.Code, e.Message, e.Epoch}
}

// Stamp is RFC 3339 in UTC with milliseconds; empty for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
