package stage

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
)

// RoomConfig is how a stand-in room is served.
type RoomConfig struct {
	Listen string // of the room, RTMP
	Report string // of the report, HTTP
	// Keys are those of the applications it takes, by SDKAppID.
	Keys map[uint32]media.Secret
	Log  io.Writer
	// Ready is told the room's address once it and the report are there.
	Ready func(room string)
}

// Session is what the room has received of one publisher's connection.
type Session struct {
	ID        int       `json:"id"` // rises with every connection
	App       uint32    `json:"sdkAppId"`
	Room      string    `json:"roomId"`
	User      string    `json:"userId"`
	StartedAt time.Time `json:"startedAt"`
	EndedAt   time.Time `json:"endedAt,omitzero"` // zero while it publishes
	End       string    `json:"end,omitempty"`    // why it ended
	Video     Track     `json:"video"`
	Audio     Track     `json:"audio"`
	// Problems are what is wrong with the stream, in words.
	Problems []string `json:"problems,omitempty"`
}

// Live says whether the session still publishes.
func (s Session) Live() bool { return s.EndedAt.IsZero() }

// Track counts one of a session's tracks.
type Track struct {
	Packets int       `json:"packets"`
	FirstAt time.Time `json:"firstAt,omitzero"`
	LastAt  time.Time `json:"lastAt,omitzero"`
	// DecodableMs is the media time received that can be decoded, in
	// milliseconds.
	DecodableMs int64 `json:"decodableMs"`
}

// Room serves a stand-in room and its report until ctx ends.
func Room(ctx context.Context, cfg RoomConfig) error {
	keys := make(map[uint32]string, len(cfg.Keys))
	for app, key := range cfg.Keys {
		keys[app] = key.Reveal()
	}
	if len(keys) == 0 {
		return errors.New("the room needs the key of an application: set ROOMCAST_SDK_KEYS=appid=key,…")
	}
	room, err := fakeroom.Start(fakeroom.Config{
		Listen: cfg.Listen, Keys: keys, Keep: -1, Log: slog.New(slog.NewTextHandler(cfg.Log, nil)),
	})
	if err != nil {
		return err
	}
	defer room.Close()
	return serve(ctx, cfg.Report, report(room), func(string) { cfg.Ready(room.URL()) })
}

// report answers GET /sessions with every session so far, oldest first.
func report(room *fakeroom.Server) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sessions", func(w http.ResponseWriter, _ *http.Request) {
		all := []Session{}
		for _, s := range room.Sessions() {
			all = append(all, summary(s))
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(all) // to a reader that has gone
	})
	return mux
}

func summary(s fakeroom.Session) Session {
	r := s.Report()
	return Session{
		ID: s.ID, App: s.App, Room: s.Room, User: s.User,
		StartedAt: s.StartedAt, EndedAt: s.EndedAt, End: string(s.End),
		Video:    Track{s.Video.Packets, s.Video.FirstAt, s.Video.LastAt, r.Video.Milliseconds()},
		Audio:    Track{s.Audio.Packets, s.Audio.FirstAt, s.Audio.LastAt, r.Audio.Milliseconds()},
		Problems: r.Problems,
	}
}
