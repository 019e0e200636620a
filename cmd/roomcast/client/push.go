package client

import (
	"encoding/json"
	"net/url"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

//go:generate go tool -modfile=../../../tools/go.mod oapi-codegen -config oapi.yaml ../../../web/api/openapi.yaml

// Request is what a push is to be. Empty fields are left to the API. It is a
// PushRequest whose secrets do not print.
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
	Mode          media.SourceMode
	ResumeScope   tasks.ResumeScope
	ResumeKey     string
	PushOptions
	Headers        map[string]media.Secret // for the source's server
	Metadata       Metadata
	CallbackURL    media.Secret // may hold a token
	CallbackEvents []WebhookType
}

// open returns r as it is sent, its secrets in the open.
func (r Request) open() PushRequest {
	w := PushRequest{
		VideoSrc: r.VideoSrc.Reveal(), SDKAppID: r.SDKAppID, RoomID: r.RoomID,
		UserID: r.UserID, UserSig: r.UserSig.Reveal(),
		Redis: r.Redis, RedisHost: r.RedisHost, RedisPort: r.RedisPort, RedisPassword: r.RedisPassword.Reveal(),
		Mode: r.Mode, ResumeScope: r.ResumeScope, ResumeKey: r.ResumeKey, PushOptions: r.PushOptions,
		Metadata: r.Metadata, CallbackURL: r.CallbackURL.Reveal(), CallbackEvents: r.CallbackEvents,
	}
	for name, value := range r.Headers {
		if w.Headers == nil {
			w.Headers = map[string]string{}
		}
		w.Headers[name] = value.Reveal()
	}
	return w
}

// UnmarshalJSON reads a push of an API before state was its word, too.
func (p *Push) UnmarshalJSON(text []byte) error {
	type push Push
	if err := json.Unmarshal(text, (*push)(p)); err != nil {
		return err
	}
	if p.State == "" {
		p.State = p.Status
	}
	return nil
}

// Live says whether the source is known to be a live stream.
func (p Push) Live() bool { return p.Source != nil && p.Source.Kind == SourceKindLive }

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
	case p.Progress != nil: // its word is the newer one
		return time.Duration(p.Progress.DurationMs) * time.Millisecond
	case p.Source != nil:
		return time.Duration(p.Source.DurationMs) * time.Millisecond
	}
	return 0
}

// Filter says which pushes a list shows; zero fields let all through.
type Filter struct {
	State    string // one, several with commas, or active
	RoomID   string
	SDKAppID uint32
	UserID   string
	Metadata Metadata // labels that are just this
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
	set("state", f.State)
	set("sdkAppId", strconv.FormatUint(uint64(f.SDKAppID), 10))
	set("limit", strconv.Itoa(f.Limit))
	set("cursor", f.Cursor)
	if f.RoomID != "" { // a room may be named 0
		q.Set("roomId", f.RoomID)
	}
	if f.UserID != "" {
		q.Set("userId", f.UserID)
	}
	for name, value := range f.Metadata {
		q.Set("metadata."+name, value)
	}
	return q.Encode()
}

// Line is the event as the history has it.
func (e LiveEvent) Line() Event {
	line := Event{At: e.At, Attempt: e.Attempt, Code: e.Code, Message: e.Message, Side: e.Side, State: e.State, Type: tasks.EventType(e.Type)}
	if e.Type == EventEnd {
		line.Type = tasks.EventState
	}
	return line
}
