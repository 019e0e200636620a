package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares an answer, indented, with testdata/name.
func golden(t *testing.T, name string, body []byte) {
	t.Helper()
	var got bytes.Buffer
	require.NoError(t, json.Indent(&got, body, "", "  "))
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String())
}

func at(seconds int) time.Time {
	zone := time.FixedZone("CST", 8*3600)
	return time.Date(2026, 11, 22, 18, 0, seconds, 123456789, zone)
}

func youngPush() tasks.Push {
	return tasks.Push{
		ID: id, State: tasks.Queued, Desired: tasks.DesiredRun, Epoch: 1, CreatedAt: at(0),
		Spec: tasks.Spec{
			VideoSrc: "https://a.example/v.mp4", SourceHost: "a.example", SDKAppID: 1400000000, RoomID: "r1", UserID: "anna",
			ClientRole: "anchor", Mode: media.ModeAuto, ResumeScope: tasks.ResumeScopeSource, ResumeKey: "5ebd",
			RedisHost: "r.example", RedisPort: 6380, Options: media.Options{Transcode: media.TranscodeAuto, FillAudio: true},
		},
	}
}

func fullPush() tasks.Push {
	p := youngPush()
	p.State, p.Desired, p.Epoch, p.Worker, p.Spec.Redis = tasks.Failed, tasks.DesiredStop, 3, "worker-1", true
	p.StartedAt, p.EndedAt = at(1), at(9)
	p.Source = &tasks.SourceReport{Kind: "vod", Container: "mov,mp4", DurationMs: 60000, Tracks: []tasks.TrackReport{
		{Type: "video", Codec: "h264", Profile: "Baseline", Width: 1280, Height: 720, FPS: 30, BitrateKbps: 1500},
		{Type: "audio", Codec: "aac", Profile: "LC", SampleRate: 48000, Channels: 2, BitrateKbps: 128},
	}, Available: []tasks.StreamReport{
		{Type: "video", Codec: "h264", Default: true, Chosen: true},
		{Type: "audio", Codec: "aac", AudioTrack: new(0), Language: "en", Channels: 2, Default: true, Chosen: true},
		{Type: "audio", Codec: "ac3", AudioTrack: new(1), Language: "de", Title: "Deutsch", Channels: 6, LeftOut: "not chosen"},
	}}
	p.Plan = &media.Plan{
		Video: &media.TrackPlan{Action: media.Copy, Reason: "the room takes h264 without B-frames", Output: media.Output{Width: 1280, Height: 720}},
		Audio: &media.TrackPlan{Action: media.Copy, Reason: "the room takes aac", Output: media.Output{SampleRate: 44100, Channels: 2}},
	}
	p.Progress = &media.Progress{
		Position: 7512 * time.Millisecond, Duration: time.Minute, Bitrate: 1_634_999, FPS: 29.97, SentBytes: 1_500_000,
		DroppedPackets: 2, Reconnects: 1, LatenessP99: 4900 * time.Microsecond, UpdatedAt: at(8),
	}
	p.Warnings = []tasks.Warning{{Code: "string_room", Message: "rooms 1 and \"1\" <differ>"}}
	p.Failure = &tasks.Failure{Code: tasks.CodeRoomDenied, Message: "the room refused", Retryable: false}
	return p
}

// pushWithOptions asked for everything that a request may.
func pushWithOptions() tasks.Push {
	p := youngPush()
	p.Spec.UserSigMinted = true
	p.Spec.Options = media.Options{
		StartAt: 1500 * time.Millisecond, EndAt: time.Minute, Repeat: media.RepeatForever, MaxDuration: time.Hour,
		Transcode: media.TranscodeAlways, Video: media.VideoOptions{Width: 640, Height: 360, FPS: 29.97, Bitrate: 800_000},
		Audio:     media.AudioOptions{Bitrate: 96_000, Volume: 0, VolumeSet: true, Mute: true},
		FillVideo: true, Choice: media.TrackChoice{Audio: "de", Program: 2}, AudioDelay: -200 * time.Millisecond,
	}
	p.Spec.Metadata, p.WebhooksLost = map[string]string{"course": "42", "a": "b"}, 3
	p.Spec.CallbackURL, p.Spec.Callback, p.Spec.Webhooks = "https://c.example/[redacted]", "v1.sealed", []string{"started", "progress"}
	p.Spec.MaxIdle, p.Spec.HeaderNames = time.Minute, []string{"Authorization", "X-Token"}
	p.Progress = &media.Progress{Position: 2 * time.Second, Loop: 0, Played: time.Second, UpdatedAt: at(8)}
	return p
}

func TestPushAsJSON(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		push       tasks.Push
	}{
		{"a young push has no member for what is absent", "push_young.json", youngPush()},
		{"a push with everything", "push_full.json", fullPush()},
		{"a push with options", "push_options.json", pushWithOptions()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFace(t, nil)
			f.push = tt.push
			w := f.do("GET", "/v1/pushes/"+id, "")
			require.Equal(t, 200, w.Code)
			assert.Equal(t, "application/json; charset=utf-8", w.Header().Get("Content-Type"))
			golden(t, tt.file, w.Body.Bytes())
		})
	}
}

func TestWhatIsAskedForByDefaultIsNotShown(t *testing.T) {
	f := newFace(t, nil)
	f.push = youngPush()
	f.push.Spec.Options.Repeat, f.push.Spec.MaxIdle = 1, tasks.DefaultMaxIdle
	f.push.Progress = &media.Progress{Loop: 1}
	for _, name := range []string{"startAtMs", "endAtMs", "repeat", "max", "volume", "mute", "transcode", "width", "fill", "headers", "loop"} {
		assert.NotContains(t, f.do("GET", "/v1/pushes/"+id, "").Body.String(), `"`+name)
	}
}

func TestListAsJSON(t *testing.T) {
	f := newFace(t, nil)
	golden(t, "list_empty.json", f.do("GET", "/v1/pushes", "").Body.Bytes())
	f.page = tasks.Page{Pushes: []tasks.Push{youngPush()}, NextCursor: "c2"}
	golden(t, "list.json", f.do("GET", "/v1/pushes", "").Body.Bytes())
}

func TestDeadWebhooksAsJSON(t *testing.T) {
	f := newFace(t, nil)
	golden(t, "webhooks_empty.json", f.do("GET", "/v1/webhooks", "").Body.Bytes())
	f.dead = []tasks.DeadWebhook{{ID: id + ".failed", PushID: id, Type: "push.failed", At: at(0), DiedAt: at(9), Tries: 14, Answer: "it answered 500"}}
	golden(t, "webhooks.json", f.do("GET", "/v1/webhooks", "").Body.Bytes())
}

func TestADeadWebhookIsSentAgain(t *testing.T) {
	f := newFace(t, nil)
	require.Equal(t, 202, f.do("POST", "/v1/webhooks/"+id+".failed/resend", "").Code)
	require.Equal(t, []string{"resend " + id + ".failed"}, f.asked)
	require.Equal(t, 404, f.do("POST", "/v1/webhooks/x/resend", "").Code)
	require.Len(t, f.asked, 1, "what is no id does not reach the store")
	f.err = &tasks.Error{Code: tasks.CodeNotFound}
	require.Equal(t, 404, f.do("POST", "/v1/webhooks/"+id+".failed/resend", "").Code)
	require.Equal(t, 401, f.do("POST", "/v1/webhooks/"+id+".failed/resend", "", "Authorization: ").Code)
}

func TestSamplesAsJSON(t *testing.T) {
	f := newFace(t, nil)
	golden(t, "samples_empty.json", f.do("GET", "/v1/pushes/"+id+"/samples", "").Body.Bytes())
	f.samples = []tasks.Sample{
		{At: at(0), Bitrate: 2_400_999, FPS: 24.9876, Lateness: 3900 * time.Microsecond, DroppedPackets: 2},
		{At: at(10)},
	}
	golden(t, "samples.json", f.do("GET", "/v1/pushes/"+id+"/samples", "").Body.Bytes())
}

func TestEventsAsJSON(t *testing.T) {
	f := newFace(t, nil)
	golden(t, "events_empty.json", f.do("GET", "/v1/pushes/"+id+"/events", "").Body.Bytes())
	f.history = []tasks.Event{
		{At: at(0), Type: tasks.EventState, State: tasks.Queued},
		{At: at(1), Type: tasks.EventState, State: tasks.Publishing, Epoch: 1, Seq: 2},
		{At: at(2), Type: tasks.EventTrouble, Side: tasks.SideRoom, Code: "room_closed", Message: "the room closed the connection", Epoch: 1, Seq: 3},
	}
	golden(t, "events.json", f.do("GET", "/v1/pushes/"+id+"/events", "").Body.Bytes())
}
