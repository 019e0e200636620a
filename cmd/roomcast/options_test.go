package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
)

func TestEveryOptionHasAFlag(t *testing.T) {
	path := filepath.Join(t.TempDir(), "headers")
	require.NoError(t, os.WriteFile(path, []byte("Authorization: Bearer canary\r\n\nX-B:c\n"), 0o600))
	f := serve(t, map[string]string{"POST /v1/pushes": p1})
	push := []string{"push", "http://h/a.mp4", "--room", "r", "--user", "u", "-d"}
	out, err := roomcast(t.Context(), f, nil, append(push,
		"--start-at", "1.5", "--end-at", "1:00", "--repeat=-1", "--max-duration", "1h", "--max-idle", "1500ms",
		"--volume", "0", "--mute", "--transcode", "always", "--width", "640", "--height", "360", "--fps", "29.97",
		"--video-kbps", "800", "--audio-kbps", "96", "--no-fill-audio", "--fill-video",
		"--audio-track", "de", "--program", "2", "--audio-delay=-200ms",
		"--header", "Accept: a, b", "--header", "X-A:", "--headers-file", path, "--headers-for=all", "--resume-key", "k",
		"--metadata", "course=42", "--metadata", "note=a;b=c", "--callback-url", "https://h/?t=x", "--callback-events", "push.started,push.failed")...)
	require.NoError(t, err)
	assert.NotContains(t, out, "canary")
	assert.JSONEq(t, `{"videoSrc":"http://h/a.mp4","roomId":"r","userId":"u","mode":"auto","resumeScope":"source","resumeKey":"k",
		"startAtMs":1500,"endAtMs":60000,"repeat":-1,"maxDurationSec":3600,"maxIdleSec":2,"volume":0,"mute":true,"transcode":"always",
		"width":640,"height":360,"fps":29.97,"videoKbps":800,"audioKbps":96,"fillAudio":false,"fillVideo":true,
		"audioTrack":"de","programNumber":2,"audioDelayMs":-200,
		"metadata":{"course":"42","note":"a;b=c"},"callbackUrl":"https://h/?t=x","callbackEvents":["push.started","push.failed"],
		"headers":{"Accept":"a, b","X-A":"","Authorization":"Bearer canary","X-B":"c"},"headersFor":"all"}`, f.body)

	_, err = roomcast(t.Context(), f, nil, push...)
	require.NoError(t, err)
	assert.JSONEq(t, `{"videoSrc":"http://h/a.mp4","roomId":"r","userId":"u","mode":"auto","resumeScope":"source"}`, f.body,
		"what was not asked for is left to the API")
}

func TestEveryFieldOfARequestHasAFlag(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, kong.Vars{"version": "", "id": idHelp})
	require.NoError(t, err)
	flags := map[string]bool{"strRoomId": true, "clientRole": true} // roomId by another name; there is one role
	for _, command := range parser.Model.Children {
		if command.Name == "push" {
			for _, v := range command.Values() {
				flags[v.Tag.Get("field")] = true
			}
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[client.PushRequest]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		assert.True(t, name == "" || flags[name], "%s has no flag", name)
	}
}

func TestShowTellsWhatWasAskedFor(t *testing.T) {
	asking := strings.Replace(p1, `"roomId":"r"`, `"roomId":"r","startAtMs":1500,"endAtMs":60000,"repeat":-1,"maxDurationSec":3600,
		"maxIdleSec":60,"volume":0,"mute":true,"transcode":"always","width":640,"height":360,"fps":29.97,"videoKbps":800,"audioKbps":96,
		"fillAudio":false,"fillVideo":true,"audioTrack":"de","programNumber":2,"audioDelayMs":-200,"headers":["Authorization","X-Token"],"metadata":{"course":"42","a":"b"},"callbackUrl":"https://h/hook"`, 1)
	asking = strings.Replace(asking, `"latenessMsP99":1`, `"latenessMsP99":1,"loop":2`, 1)
	f := serve(t, map[string]string{"GET /v1/pushes/" + id1: asking, "GET /v1/pushes/" + id1 + "/events": events})
	out, err := roomcast(t.Context(), f, nil, "show", id1)
	require.NoError(t, err)
	assert.Contains(t, out, "from 1.5s, to 1m0s, for ever, for at most 1h0m0s, may be away for 1m0s, volume 0 %, mute, transcode always, "+
		"width 640, height 360, 29.97 fps, video 800 kb/s, audio 96 kb/s, no silence filled in, black filled in, audio track de, program 2, sound 200 ms earlier, headers Authorization X-Token\n")
	assert.Contains(t, out, "1:00 / 1:00 of play 3, ")
	assert.Contains(t, out, "labels     a=b, course=42\nwebhooks   https://h/hook\n")

	choosing := strings.Replace(p1, `"sampleRate":48000}]`, `"sampleRate":48000}],"available":[{"type":"video","codec":"h264","programNumber":2,"chosen":true},
		{"type":"audio","codec":"aac","audioTrack":0,"language":"en","chosen":true},{"type":"audio","codec":"ac3","audioTrack":1,"language":"de",
		"title":"Deutsch","chosen":false,"leftOut":"not chosen"},{"type":"subtitle","codec":"subrip","chosen":false,"leftOut":"subtitle"}]`, 1)
	f = serve(t, map[string]string{"GET /v1/pushes/" + id1: choosing, "GET /v1/pushes/" + id1 + "/events": events})
	out, err = roomcast(t.Context(), f, nil, "show", id1)
	require.NoError(t, err)
	assert.Contains(t, out, "it holds video (h264, program 2, chosen); audio 0 (aac, en, chosen); audio 1 (ac3, de, Deutsch, not chosen); subtitle (subrip)\n")

	f = serve(t, map[string]string{"GET /v1/pushes/" + id1: p1, "GET /v1/pushes/" + id1 + "/events": events})
	out, err = roomcast(t.Context(), f, nil, "show", id1)
	require.NoError(t, err)
	assert.NotContains(t, out, "asked for")
}
