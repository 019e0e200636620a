package client

import (
	"net/url"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// Request is what a push is to be. Empty fields are left to the API.
type Request struct {
	VideoSrc      media.Secret // may hold a token
	SDKAppID      uint32
	RoomID        string
	UserID        string
	UserSig       media.Secret
	Redis         bool
	RedisHost     string
	RedisPort     int
	RedisPassword media.Secret
	Mode          string
	ResumeScope   string
	ResumeKey     string
	Wishes
	Headers map[string]media.Secret // for the source's server
}

// wireRequest is a Request as it is sent, its secrets in the open.
type wireRequest struct {
	VideoSrc      string `json:"videoSrc"`
	SDKAppID      uint32 `json:"sdkAppId,omitempty"`
	RoomID        string `json:"roomId"`
	UserID        string `json:"userId"`
	UserSig       string `json:"userSig,omitempty"`
	Redis         bool   `json:"redis,omitempty"`
	RedisHost     string `json:"redisHost,omitempty"`
	RedisPort     int    `json:"redisPort,omitempty"`
	RedisPassword string `json:"redisPassword,omitempty"`
	Mode          string `json:"mode,omitempty"`
	ResumeScope   string `json:"resumeScope,omitempty"`
	ResumeKey     string `json:"resumeKey,omitempty"`
	Wishes
	Headers map[string]string `json:"headers,omitempty"`
}

// Wishes is what a push may ask of the playing, as in the request and in the
// push; nil and empty is what the API does without being asked.
type Wishes struct {
	StartAtMs      int64   `json:"startAtMs,omitempty"`
	EndAtMs        int64   `json:"endAtMs,omitempty"`
	Repeat         int     `json:"repeat,omitempty"` // -1: for ever
	MaxDurationSec int64   `json:"maxDurationSec,omitempty"`
	MaxIdleSec     int64   `json:"maxIdleSec,omitempty"`
	Volume         *int    `json:"volume,omitempty"` // percent
	Mute           bool    `json:"mute,omitempty"`
	Transcode      string  `json:"transcode,omitempty"`
	Width          int     `json:"width,omitempty"`
	Height         int     `json:"height,omitempty"`
	FPS            float64 `json:"fps,omitempty"`
	VideoKbps      int     `json:"videoKbps,omitempty"`
	AudioKbps      int     `json:"audioKbps,omitempty"`
	FillAudio      *bool   `json:"fillAudio,omitempty"`
	FillVideo      bool    `json:"fillVideo,omitempty"`
	AudioTrack     string  `json:"audioTrack,omitempty"` // a number or a language
	ProgramNumber  int     `json:"programNumber,omitempty"`
	AudioDelayMs   int64   `json:"audioDelayMs,omitempty"`
}

func (r Request) wire() wireRequest {
	w := wireRequest{
		VideoSrc: r.VideoSrc.Reveal(), SDKAppID: r.SDKAppID, RoomID: r.RoomID,
		UserID: r.UserID, UserSig: r.UserSig.Reveal(),
		Redis: r.Redis, RedisHost: r.RedisHost, RedisPort: r.RedisPort, RedisPassword: r.RedisPassword.Reveal(),
		Mode: r.Mode, ResumeScope: r.ResumeScope, ResumeKey: r.ResumeKey, Wishes: r.Wishes,
	}
	for name, value := range r.Headers {
		if w.Headers == nil {
			w.Headers = map[string]string{}
		}
		w.Headers[name] = value.Reveal()
	}
	return w
}

// Push is a push as the API shows it. What is absent there is zero here.
type Push struct {
	ID          string        `json:"id"`
	Status      tasks.State   `json:"status"`
	Desired     tasks.Desired `json:"desired"`
	VideoSrc    string        `json:"videoSrc"` // no query, no password
	SDKAppID    uint32        `json:"sdkAppId"`
	RoomID      string        `json:"roomId"`
	UserID      string        `json:"userId"`
	ClientRole  string        `json:"clientRole,omitempty"`
	Redis       bool          `json:"redis"`
	Mode        string        `json:"mode,omitempty"`
	ResumeScope string        `json:"resumeScope,omitempty"`
	Wishes
	Headers   []string            `json:"headers,omitempty"` // names
	Attempt   int64               `json:"attempt,omitempty"`
	Worker    string              `json:"worker,omitempty"`
	CreatedAt time.Time           `json:"createdAt"`
	StartedAt *time.Time          `json:"startedAt,omitempty"`
	EndedAt   *time.Time          `json:"endedAt,omitempty"`
	Source    *tasks.SourceReport `json:"source,omitempty"`
	Plan      *Plan               `json:"plan,omitempty"`
	Progress  *Progress           `json:"progress,omitempty"`
	Warnings  []tasks.Warning     `json:"warnings,omitempty"`
	Error     *tasks.Failure      `json:"error,omitempty"`
}

// Live says whether the source is known to be a live stream.
func (p Push) Live() bool { return p.Source != nil && p.Source.Kind == "live" }

// Position is how far into the source the push is; zero before it plays.
func (p Push) Position() time.Duration {
	if p.Progress == nil {
		return 0
	}
	return time.Duration(p.Progress.PositionMs) * time.Millisecond
}

// Length is the source's length; zero when it is unknown or has none.
func (p Push) Length() time.Duration {
	switch {
	case p.Live():
		return 0
	case p.Progress != nil && p.Progress.DurationMs > 0:
		return time.Duration(p.Progress.DurationMs) * time.Millisecond
	case p.Source != nil:
		return time.Duration(p.Source.DurationMs) * time.Millisecond
	}
	return 0
}

// Plan is what becomes of each track.
type Plan struct {
	Video *TrackPlan `json:"video,omitempty"`
	Audio *TrackPlan `json:"audio,omitempty"`
}

// TrackPlan is what becomes of a track (copy, transcode, drop, fill) and why.
type TrackPlan struct {
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	Output Output `json:"output,omitzero"`
}

// Output is what the room was told of a track, for the whole push.
type Output struct {
	Width      int `json:"width,omitempty"`
	Height     int `json:"height,omitempty"`
	SampleRate int `json:"sampleRate,omitempty"`
	Channels   int `json:"channels,omitempty"`
}

// Progress is how a push goes.
type Progress struct {
	PositionMs     int64      `json:"positionMs"`
	DurationMs     int64      `json:"durationMs,omitempty"`
	BitrateKbps    int64      `json:"bitrateKbps"`
	FPS            float64    `json:"fps"`
	SentBytes      int64      `json:"sentBytes"`
	DroppedPackets int64      `json:"droppedPackets"`
	Reconnects     int64      `json:"reconnects"`
	LatenessMsP99  int64      `json:"latenessMsP99"`
	SlippedMs      int64      `json:"slippedMs"`      // by how much the push takes longer than its media
	PlayedMs       int64      `json:"playedMs"`       // time in the room, all attempts together
	Loop           *int       `json:"loop,omitempty"` // plays that are done, of a push that repeats
	UpdatedAt      *time.Time `json:"updatedAt,omitempty"`

	Coverage *tasks.CoverageReport `json:"coverage,omitempty"` // what the room's tracks were made of
}

// Event is one line of a push's history.
type Event struct {
	At      time.Time       `json:"at"`
	Type    tasks.EventType `json:"type"`
	State   tasks.State     `json:"state,omitempty"`
	Code    string          `json:"code,omitempty"`
	Message string          `json:"message,omitempty"`
	Attempt int64           `json:"attempt,omitempty"`
}

// Page is a part of a list.
type Page struct {
	Pushes     []Push `json:"pushes"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// Filter says which pushes a list shows; zero fields let all through.
type Filter struct {
	Status   string
	RoomID   string
	SDKAppID uint32
	UserID   string
	Limit    int
	Cursor   string
}

func (f Filter) query() string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" && value != "0" {
			q.Set(name, value)
		}
	}
	set("status", f.Status)
	set("sdkAppId", strconv.FormatUint(uint64(f.SDKAppID), 10))
	set("limit", strconv.Itoa(f.Limit))
	set("cursor", f.Cursor)
	if f.RoomID != "" { // a room may be named 0
		q.Set("roomId", f.RoomID)
	}
	if f.UserID != "" {
		q.Set("userId", f.UserID)
	}
	return q.Encode()
}
