package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/trtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	p1 = `{"id":"p1","status":"completed","desired":"run","videoSrc":"http://h/a.mp4","sdkAppId":14,"roomId":"r","userId":"u","attempt":1,
		"createdAt":"2026-11-22T10:00:00.000Z","startedAt":"2026-11-22T10:00:01.000Z","endedAt":"2026-11-22T10:01:01.000Z",
		"source":{"kind":"vod","container":"mp4","durationMs":60000,"tracks":[{"type":"video","codec":"h264","profile":"High","width":1280,"height":720,"fps":30},{"type":"audio","codec":"aac","sampleRate":48000}]},
		"plan":{"video":{"action":"copy","reason":"the room takes it","output":{"width":1280,"height":720}},"audio":{"action":"transcode","reason":"codec opus","output":{"sampleRate":44100}}},"warnings":[{"code":"string_room","message":"a string room"}],
		"progress":{"positionMs":60000,"durationMs":60000,"bitrateKbps":1600,"fps":30,"sentBytes":10,"droppedPackets":0,"reconnects":0,"latenessMsP99":1}}`
	failedPush = `{"id":"p2","status":"failed","desired":"run","roomId":"r","userId":"u","createdAt":"2026-11-22T10:00:00.000Z",
		"error":{"code":"room_denied","message":"the room refuses \u001b]0;this\u0007","retryable":false}}`
	events = `{"events":[{"at":"2026-11-22T10:00:00.000Z","type":"state","state":"queued"},
		{"at":"2026-11-22T10:00:02.000Z","type":"warning","code":"redis_away","message":"resume is not saved","attempt":1}]}`
	noKey = `{"status":401,"code":"unauthorized","detail":"send a known API key"}`
)

// fakeAPI answers "METHOD /path" and remembers what came.
type fakeAPI struct {
	url     string
	answers map[string]string

	mu     sync.Mutex
	calls  []string
	body   string
	bearer string
}

func serve(t *testing.T, answers map[string]string) *fakeAPI {
	t.Helper()
	f := &fakeAPI{answers: answers}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	f.url = srv.URL
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := r.Method + " " + r.URL.String()
	f.calls = append(f.calls, call)
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		f.body = string(body)
	}
	f.bearer = r.Header.Get("Authorization")
	answer, ok := f.answers[call]
	if !ok {
		answer = `{"status":404,"code":"not_found","detail":"there is no such push"}`
	}
	var p struct{ Status any }
	if json.Unmarshal([]byte(answer), &p) == nil {
		if code, isProblem := p.Status.(float64); isProblem {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(int(code))
		}
	}
	_, _ = io.WriteString(w, answer)
}

// roomcast runs a command line against the API.
func roomcast(ctx context.Context, f *fakeAPI, env map[string]string, args ...string) (string, error) {
	getenv := func(name string) string {
		if name == "ROOMCAST_API" && f != nil {
			return f.url
		}
		return env[name]
	}
	var out bytes.Buffer
	err := run(ctx, args, getenv, &out, &out)
	return out.String(), err
}

func TestPushFollowsToTheEnd(t *testing.T) {
	f := serve(t, map[string]string{"POST /v1/pushes": p1, "GET /v1/pushes/p1": p1})
	env := map[string]string{"ROOMCAST_USERSIG": "canary-sig", "ROOMCAST_API_KEY": "canary-key", "PW": "canary-pw"}
	out, err := roomcast(t.Context(), f, env, "push", "http://h/a.mp4?t=canary-url", "--room", "r", "--user", "u", "--app", "14",
		"--redis", "--redis-host", "h", "--redis-port", "6380", "--redis-password-env", "PW", "--mode", "vod", "--resume-scope", "room")
	require.NoError(t, err)
	assert.Contains(t, out, "push p1: http://h/a.mp4 to room r as u; Ctrl-C stops it\n")
	assert.Contains(t, out, "completed  1:00 / 1:00\n")
	assert.Contains(t, out, "warning: a string room [string_room]\n")
	assert.NotContains(t, out, "canary")
	assert.Equal(t, "Bearer canary-key", f.bearer)
	assert.JSONEq(t, `{"videoSrc":"http://h/a.mp4?t=canary-url","sdkAppId":14,"roomId":"r","userId":"u","userSig":"canary-sig",
		"redis":true,"redisHost":"h","redisPort":6380,"redisPassword":"canary-pw","mode":"vod","resumeScope":"room"}`, f.body)
}

func TestPushDetachedPrintsTheIDAlone(t *testing.T) {
	f := serve(t, map[string]string{"POST /v1/pushes": p1})
	out, err := roomcast(t.Context(), f, map[string]string{"ROOMCAST_APP": "14"}, "push", "http://h/a.mp4", "--room", "r", "--user", "u", "--detach")
	require.NoError(t, err)
	assert.Equal(t, "p1\n", out)
	assert.Contains(t, f.body, `"sdkAppId":14`)
	assert.Equal(t, []string{"POST /v1/pushes"}, f.calls)
}

func TestASignatureComesFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sig")
	require.NoError(t, os.WriteFile(path, []byte("  canary-sig \nmore\n"), 0o600))
	f := serve(t, map[string]string{"POST /v1/pushes": p1})
	_, err := roomcast(t.Context(), f, nil, "push", "http://h/a.mp4", "--room", "r", "--user", "u", "-d", "--usersig-file", path)
	require.NoError(t, err)
	assert.Contains(t, f.body, `"userSig":"canary-sig"`)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = roomcast(t.Context(), f, nil, "push", "http://h/a.mp4", "--room", "r", "--user", "u", "-d", "--usersig-file", path)
	assert.ErrorContains(t, err, "read the UserSig: its first line is empty")
}

func TestWrongCommandLines(t *testing.T) {
	push := []string{"push", "--room", "r", "--user", "u"}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"no such command":        {[]string{"fly"}, `unexpected argument fly`},
		"no room":                {[]string{"push", "x", "--user", "u"}, "--room"},
		"a key on the line":      {[]string{"ls", "--key", "canary"}, "unknown flag --key"},
		"a sig on the line":      {append(push, "x", "--usersig", "canary"), "unknown flag --usersig"},
		"a mode that is not":     {append(push, "x", "--mode", "fast"), "--mode"},
		"everything from stdin":  {append(push, "-", "--usersig-file", "-"), "cannot both come from standard input"},
		"a header on the line":   {append(push, "x", "--header", "canary"), `must look like "Name: value"`},
		"a header twice":         {append(push, "x", "--header", "X: canary", "--header", "X: canary"), "header X is given twice"},
		"no file of headers":     {append(push, "x", "--headers-file", "missing"), "read the headers"},
		"a transcode that is no": {append(push, "x", "--transcode", "maybe"), "--transcode"},
		"a variable not set":     {append(push, "x", "--redis-password-env", "PW"), "PW is not set"},
		"an address that is not": {[]string{"ls", "--api", "localhost:80"}, "must look like http://"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := roomcast(t.Context(), nil, nil, tt.args...)
			require.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAFailedPushIsAnError(t *testing.T) {
	f := serve(t, map[string]string{"POST /v1/pushes": failedPush, "GET /v1/pushes/p2": failedPush})
	_, err := roomcast(t.Context(), f, nil, "push", "http://h/a.mp4", "--room", "r", "--user", "u")
	require.EqualError(t, err, "the push failed: the room refuses ?]0;this? [room_denied]")
	_, err = roomcast(t.Context(), f, nil, "watch", "p2")
	assert.ErrorContains(t, err, "the push failed")
}

func TestARefusalIsASentence(t *testing.T) {
	f := serve(t, map[string]string{"POST /v1/pushes": `{"status":400,"code":"invalid_request","detail":"2 fields are wrong","errors":[{"field":"roomId","detail":"is too long"},{"field":"userId","detail":"is empty"}]}`})
	_, err := roomcast(t.Context(), f, nil, "push", "http://h/a.mp4", "--room", "r", "--user", "u")
	assert.EqualError(t, err, "2 fields are wrong [invalid_request]\n  roomId: is too long\n  userId: is empty")
}

func TestAnInterruptedWatchGoesAwayQuietly(t *testing.T) {
	f := serve(t, map[string]string{"GET /v1/pushes/p1": p1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := roomcast(ctx, f, nil, "watch", "p1")
	require.NoError(t, err)
	assert.Contains(t, out, "push p1 goes on")
	assert.Empty(t, f.calls)
}

func TestLs(t *testing.T) {
	f := serve(t, map[string]string{
		"GET /v1/pushes?limit=5&roomId=r&sdkAppId=14&state=failed&userId=u": `{"pushes":[` + p1 + `,` + failedPush + `],"nextCursor":"c"}`,
		"GET /v1/pushes?limit=50": `{"pushes":[]}`,
	})
	args := []string{"ls", "--state", "failed", "--room", "r", "--app", "14", "--user", "u", "--limit", "5"}
	out, err := roomcast(t.Context(), f, nil, args...)
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	assert.Regexp(t, `^ID +STATE +POSITION +ROOM +USER +APP +AGE +SOURCE$`, lines[0])
	assert.Regexp(t, `^p1 +completed +1:00 / 1:00 +r +u +14 +\S+ +http://h/a.mp4$`, lines[1])
	assert.Regexp(t, `^p2 +failed +- +r`, lines[2])
	assert.Contains(t, lines[3], "there are more")

	out, err = roomcast(t.Context(), f, nil, append(args, "--json")...)
	require.NoError(t, err)
	assert.True(t, json.Valid([]byte(out)))
	assert.NotContains(t, out, "\x1b")
	_, err = roomcast(t.Context(), f, nil, "ls")
	assert.NoError(t, err)
}

func TestShow(t *testing.T) {
	f := serve(t, map[string]string{"GET /v1/pushes/p1": p1, "GET /v1/pushes/p1/events": events})
	out, err := roomcast(t.Context(), f, nil, "show", "p1")
	require.NoError(t, err)
	for _, want := range []string{"vod mp4, h264 High 1280x720 30 fps, aac 48000 Hz", "copy: the room takes it (1280x720)", "transcode: codec opus (44100 Hz)", "r as u, app 14", "queued", "warning [redis_away]", "resume is not saved"} {
		assert.Contains(t, out, want)
	}
	out, err = roomcast(t.Context(), f, nil, "show", "p1", "--json")
	require.NoError(t, err)
	var shown struct {
		ID     string
		Events []any
	}
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	assert.Equal(t, "p1", shown.ID)
	assert.Len(t, shown.Events, 2)
}

func TestStopGoesOnAfterAFailure(t *testing.T) {
	f := serve(t, map[string]string{"DELETE /v1/pushes/p1": p1})
	out, err := roomcast(t.Context(), f, nil, "stop", "p0", "p1")
	assert.EqualError(t, err, "stop p0: there is no such push [not_found]")
	assert.Equal(t, "p1 completed\n", out)
}

func TestUsersig(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"with the app's key": {"ROOMCAST_SDK_KEY": "canary"},
		"with all keys":      {"ROOMCAST_SDK_KEYS": "13=other, 14=canary"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := roomcast(t.Context(), nil, env, "usersig", "--app", "14", "--user", "anna", "--ttl", "1h")
			require.NoError(t, err)
			sig, err := trtc.DecodeUserSig(media.Secret(strings.TrimSpace(out)))
			require.NoError(t, err)
			assert.Equal(t, "anna", sig.Identifier)
			assert.Equal(t, "1h0m0s", sig.Expires.Sub(sig.IssuedAt).String())
		})
	}
	_, err := roomcast(t.Context(), nil, map[string]string{"ROOMCAST_SDK_KEYS": "13=canary"}, "usersig", "--app", "14", "--user", "anna")
	require.ErrorContains(t, err, "there is no key for this app")
	assert.NotContains(t, err.Error(), "canary")
	_, err = roomcast(t.Context(), nil, map[string]string{"ROOMCAST_SDK_KEYS": "canary"}, "usersig", "--app", "14", "--user", "anna")
	require.ErrorContains(t, err, "must be appid=key")
	assert.NotContains(t, err.Error(), "canary")
}

func TestDoctor(t *testing.T) {
	const ready, list = "GET /readyz", "GET /v1/pushes?limit=1"
	checks := func(checks string) map[string]string {
		return map[string]string{ready: `{"status":"ready","checks":[{"name":"redis","status":"ok"},` + checks + `]}`, list: `{"pushes":[]}`}
	}
	fine := checks(`{"name":"workers","status":"ok"}`)
	for name, tt := range map[string]struct {
		answers map[string]string
		key     string
		want    string
		well    bool
	}{
		"a worker has room":       {fine, "", "a worker has room", true},
		"no worker is there":      {checks(`{"name":"workers","status":"warning","code":"no_worker","message":"start one"}`), "", "FAIL  start one", false},
		"none has the secret key": {checks(`{"name":"workers","status":"warning","code":"no_key","message":"give it"},{"name":"versions","status":"ok"}`), "", "FAIL  give it", false},
		"all slots are taken":     {checks(`{"name":"workers","status":"warning","code":"no_free_slot","message":"add one"}`), "", "note  add one", true},
		"a worker is older":       {checks(`{"name":"versions","status":"warning","code":"other_version","message":"update it"}`), "", "note  update it", true},
		"a check that failed":     {checks(`{"name":"workers","status":"unknown"}`), "", "note  the API could not look at its workers", true},

		"all is well":     {map[string]string{ready: "{}", list: `{"pushes":[]}`}, "", "asks for no key", true},
		"with a key":      {map[string]string{ready: "{}", list: `{"pushes":[]}`}, "canary", "takes the key", true},
		"a key is needed": {map[string]string{ready: "{}", list: noKey}, "", "ROOMCAST_API_KEY is not set", false},
		"a wrong key":     {map[string]string{ready: "{}", list: noKey}, "canary", "does not know the key", false},
		"Redis is away":   {map[string]string{ready: `{"status":503,"code":"not_ready","detail":"waiting for redis","retryable":true}`, list: `{"pushes":[]}`}, "", "waiting for redis", false},
		"Redis evicts":    {map[string]string{ready: `{"status":503,"code":"not_ready","detail":"redis evicts keys; set it","retryable":true}`, list: `{"pushes":[]}`}, "", "redis evicts keys; set it", false},
	} {
		t.Run(name, func(t *testing.T) {
			tt.answers["GET /healthz"] = "ok"
			out, err := roomcast(t.Context(), serve(t, tt.answers), map[string]string{"ROOMCAST_API_KEY": tt.key}, "doctor")
			assert.Contains(t, out, tt.want)
			assert.Equal(t, tt.well, err == nil)
			assert.NotContains(t, out, "canary")
		})
	}
	out, err := roomcast(t.Context(), nil, nil, "doctor", "--api", "http://127.0.0.1:1")
	assert.ErrorIs(t, err, errUnwell)
	assert.Contains(t, out, "roomcast demo")
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"push", "--help"}, {"--version"}} {
		out, err := roomcast(t.Context(), nil, nil, args...)
		require.NoError(t, err, args)
		assert.NotEmpty(t, out)
	}
}

func TestOnlyLoopbackIsThisMachine(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "10.0.0.1": false, "example.org": false} {
		assert.Equal(t, want, loopback(host), host)
	}
}
