package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/trtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	id1 = "0199a2b0-0000-7000-8000-0000000000a1"
	id2 = "0199a2b0-0000-7000-8000-0000000000b2"
	p1  = `{"id":"` + id1 + `","state":"completed","desired":"run","videoSrc":"http://h/a.mp4","sdkAppId":14,"roomId":"r","userId":"u","attempt":1,
		"createdAt":"2026-11-22T10:00:00.000Z","startedAt":"2026-11-22T10:00:01.000Z","endedAt":"2026-11-22T10:01:01.000Z",
		"source":{"kind":"vod","container":"mp4","durationMs":60000,"tracks":[{"type":"video","codec":"h264","profile":"High","width":1280,"height":720,"fps":30},{"type":"audio","codec":"aac","sampleRate":48000}]},
		"plan":{"video":{"action":"copy","reason":"the room takes it","output":{"width":1280,"height":720}},"audio":{"action":"transcode","reason":"codec opus","output":{"sampleRate":44100}}},"warnings":[{"code":"string_room","message":"a string room"}],
		"progress":{"positionMs":60000,"durationMs":60000,"bitrateKbps":1600,"fps":30,"sentBytes":10,"droppedPackets":0,"reconnects":0,"latenessMsP99":1}}`
	failedPush = `{"id":"` + id2 + `","state":"failed","desired":"run","roomId":"r","userId":"u","createdAt":"2026-11-22T10:00:00.000Z",
		"error":{"code":"room_denied","message":"the room refuses \u001b]0;this\u0007","retryable":false}}`
	events = `{"events":[{"at":"2026-11-22T10:00:00.000Z","type":"state","state":"queued"},
		{"at":"2026-11-22T10:00:02.000Z","type":"warning","code":"redis_away","message":"resume is not saved","attempt":1}]}`
	noKey = `{"status":401,"code":"unauthorized","detail":"send a known API key"}`
)

// fakeAPI answers "METHOD /path" and remembers what came.
type fakeAPI struct {
	key     string // is asked for when set
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
	if r.Header.Get("Accept") == "text/event-stream" {
		call = "SSE " + r.URL.String()
		w.Header().Set("Content-Type", "text/event-stream")
	}
	f.calls = append(f.calls, call)
	if body, _ := io.ReadAll(r.Body); len(body) > 0 {
		f.body = string(body)
	}
	f.bearer = r.Header.Get("Authorization")
	answer, ok := f.answers[call]
	if f.key != "" && f.bearer != "Bearer "+f.key && strings.HasPrefix(r.URL.Path, "/v1") {
		answer, ok = noKey, true
	}
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

// told is a stream that ends a push.
func told(push string) string {
	var p struct{ ID, State string }
	if err := json.Unmarshal([]byte(push), &p); err != nil {
		panic(err)
	}
	return fmt.Sprintf("event: end\ndata: {\"pushId\":%q,\"type\":\"end\",\"state\":%q,\"push\":%s}\n\n", p.ID, p.State, strings.ReplaceAll(push, "\n", ""))
}

// terminal is one of so many columns.
type terminal struct {
	bytes.Buffer
	columns int
}

func (t *terminal) Size() (columns, rows int) { return t.columns, 24 }

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
	f := serve(t, map[string]string{"POST /v1/pushes": p1, "SSE /v1/pushes/" + id1 + "/events": told(p1)})
	env := map[string]string{"ROOMCAST_USERSIG": "canary-sig", "ROOMCAST_API_KEY": "canary-key", "PW": "canary-pw"}
	args := []string{"push", "http://h/a.mp4?t=canary-url", "--room", "r", "--user", "u", "--app", "14",
		"--redis", "--redis-host", "h", "--redis-port", "6380", "--redis-password-env", "PW", "--mode", "vod", "--resume-scope", "room"}
	out, err := roomcast(t.Context(), f, env, args...)
	require.NoError(t, err)
	assert.Contains(t, out, "push "+id1+": http://h/a.mp4 to room r as u; Ctrl-C stops it\n")
	assert.Contains(t, out, "completed  1:00 / 1:00\n")
	assert.Contains(t, out, "warning: a string room [string_room]\n")
	assert.NotContains(t, out, "canary")
	assert.Equal(t, "Bearer canary-key", f.bearer)
	assert.JSONEq(t, `{"videoSrc":"http://h/a.mp4?t=canary-url","sdkAppId":14,"roomId":"r","userId":"u","userSig":"canary-sig",
		"redis":true,"redisHost":"h","redisPort":6380,"redisPassword":"canary-pw","mode":"vod","resumeScope":"room"}`, f.body)

	out, err = roomcast(t.Context(), f, env, append(args, "--json")...)
	require.NoError(t, err)
	assert.Equal(t, []string{id1 + " completed"}, objects(t, out))
}

// objects are the ids and states of pushes that stand in lines of JSON.
func objects(t *testing.T, out string) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(out) {
		var p struct{ ID, State string }
		require.NoError(t, json.Unmarshal([]byte(line), &p), line)
		all = append(all, strings.TrimSpace(p.ID+" "+p.State))
	}
	return all
}

func TestPushDetachedPrintsTheIDAlone(t *testing.T) {
	f := serve(t, map[string]string{"POST /v1/pushes": p1})
	args := []string{"push", "http://h/a.mp4", "--room", "r", "--user", "u", "--detach"}
	out, err := roomcast(t.Context(), f, map[string]string{"ROOMCAST_APP": "14"}, args...)
	require.NoError(t, err)
	assert.Equal(t, id1+"\n", out)
	assert.Contains(t, f.body, `"sdkAppId":14`)
	assert.Equal(t, []string{"POST /v1/pushes"}, f.calls)
	out, err = roomcast(t.Context(), f, nil, append(args, "--json")...)
	require.NoError(t, err)
	assert.Equal(t, []string{id1 + " completed"}, objects(t, out))
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

func TestExitCodes(t *testing.T) {
	stopped := strings.Replace(p1, `"completed"`, `"stopped"`, 1)
	f := serve(t, map[string]string{
		"POST /v1/pushes": failedPush, "SSE /v1/pushes/" + id2 + "/events": told(failedPush), "SSE /v1/pushes/" + id1 + "/events": told(stopped),
		"GET /v1/pushes?limit=1":                `{"status":503,"code":"redis_unavailable","detail":"Redis is away"}`,
		"GET /readyz":                           `{"status":503,"code":"not_ready","detail":"waiting for redis"}`,
		"GET /v1/pushes?limit=50&state=bogus":   `{"status":400,"code":"invalid_request","detail":"state: must be active","errors":[{"field":"state","detail":"must be active"}]}`,
		"GET /v1/pushes?limit=50&roomId=locked": noKey,
	})
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a wrong command":             {[]string{"fly"}, 2, `unexpected argument fly, did you mean "ls"? (roomcast --help says more)`},
		"a wrong flag":                {[]string{"ls", "--fast"}, 2, "unknown flag --fast (roomcast ls --help says more)"},
		"a wrong value":               {[]string{"push", "x", "--room=r", "--user=u", "--width=wide"}, 2, "--width: expected a valid 64 bit int but got \"wide\" (roomcast push --help says more)"},
		"a wrong command below":       {[]string{"stage", "room", "--fast"}, 2, "(roomcast stage room --help says more)"},
		"flags that do not go":        {[]string{"watch", id1, "--room=r"}, 2, "they do not go with an id"},
		"a push that failed":          {[]string{"push", "http://h/a.mp4", "--room=r", "--user=u"}, 3, "the push failed: the room refuses ?]0;this? [room_denied]"},
		"a push that failed, watched": {[]string{"watch", id2}, 3, "the push failed"},
		"no such push":                {[]string{"show", "0199a2b0-0000-7000-8000-0000000000c3"}, 3, "there is no such push [not_found]"},
		"nobody there":                {[]string{"ls", "--api", "http://127.0.0.1:1"}, 4, "(roomcast doctor says more)"},
		"a value that is refused":     {[]string{"ls", "--state=bogus"}, 2, "--state: must be active"},
		"no list at all":              {[]string{"ls", "--limit=0"}, 2, "--limit: must be at least 1"},
		"no such word for a push":     {[]string{"show", "@first"}, 2, "there is only @last, the newest one"},
		"a file of this machine":      {[]string{"push", "/tmp/my.mp4", "--room=r", "--user=u"}, 2, "roomcast demo FILE plays one"},
		"a key is missing":            {[]string{"ls", "--room=locked"}, 3, "the client takes the key from ROOMCAST_API_KEY"},
		"nobody there for doctor":     {[]string{"doctor", "--api", "http://127.0.0.1:1"}, 4, "not everything is well"},
		"Redis is away":               {[]string{"stop", "@last"}, 4, "Redis is away [redis_unavailable]"},
		"somebody stopped it":         {[]string{"watch", id1}, 5, "push " + id1 + " was stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := roomcast(t.Context(), f, nil, tt.args...)
			require.ErrorContains(t, err, tt.want)
			coded, ok := errors.AsType[exit](err)
			require.True(t, ok)
			assert.Equal(t, tt.code, coded.ExitCode())
		})
	}
}

func TestARefusalNamesTheFlags(t *testing.T) {
	push := []string{"push", "http://h/a.mp4", "--room", "r", "--user", "u"}
	for name, tt := range map[string]struct{ problem, want string }{
		"two": {`{"status":400,"code":"invalid_request","detail":"2 fields are wrong","errors":[{"field":"roomId","detail":"is too long"},{"field":"userId","detail":"is empty"}]}`,
			"2 fields are wrong [invalid_request]\n  --room: is too long\n  --user: is empty\n(roomcast push --help says more)"},
		"one": {`{"status":400,"code":"invalid_request","detail":"startAtMs: is behind the end","errors":[{"field":"startAtMs","detail":"is behind the end"}]}`,
			"--start-at: is behind the end [invalid_request]\n(roomcast push --help says more)"},
		"the signature": {`{"status":400,"code":"invalid_request","detail":"userSig: is required","errors":[{"field":"userSig","detail":"is required"}]}`,
			"--usersig-file (ROOMCAST_USERSIG): is required [invalid_request]\n(roomcast push --help says more)"},
		"the argument": {`{"status":400,"code":"invalid_request","detail":"videoSrc: is no URL","errors":[{"field":"videoSrc","detail":"is no URL"}]}`,
			"SRC: is no URL [invalid_request]\n(roomcast push --help says more)"},
		"no application": {`{"status":400,"code":"invalid_request","detail":"2 fields are wrong","errors":[{"field":"sdkAppId","detail":"is required"},{"field":"userSig","detail":"no key is configured for app 0"}]}`,
			"--app (ROOMCAST_APP): is required [invalid_request]\n(roomcast push --help says more)"},
		"none": {`{"status":409,"code":"user_busy","detail":"u publishes already"}`, "u publishes already [user_busy]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := roomcast(t.Context(), serve(t, map[string]string{"POST /v1/pushes": tt.problem}), nil, push...)
			assert.EqualError(t, err, tt.want)
		})
	}
}

func TestAPictureWithoutAnEndNamesTheFlags(t *testing.T) {
	picture := strings.Replace(failedPush, "the room refuses \\u001b]0;this\\u0007", "say how long it is to stand with maxDurationSec, or mode: live", 1)
	require.NotEqual(t, failedPush, picture)
	f := serve(t, map[string]string{"POST /v1/pushes": picture, "SSE /v1/pushes/" + id2 + "/events": told(picture)})
	_, err := roomcast(t.Context(), f, nil, "push", "http://h/a.png", "--room=r", "--user=u")
	assert.ErrorContains(t, err, "with --max-duration, or --mode live")
}

func TestAnInterruptedWatchGoesAwayQuietly(t *testing.T) {
	f := serve(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := roomcast(ctx, f, nil, "watch", id1)
	require.NoError(t, err)
	assert.Contains(t, out, "push "+id1+" goes on")
	out, err = roomcast(ctx, f, nil, "watch")
	require.NoError(t, err)
	assert.Empty(t, out)
	assert.Empty(t, f.calls)
}

func TestLs(t *testing.T) {
	f := serve(t, map[string]string{
		"GET /v1/pushes?limit=5&metadata.course=42&roomId=r&sdkAppId=14&state=failed&userId=u": `{"pushes":[` + p1 + `,` + failedPush + `],"nextCursor":"c"}`,
		"GET /v1/pushes?limit=50": `{"pushes":[]}`,
	})
	args := []string{"ls", "--state", "failed", "--room", "r", "--app", "14", "--user", "u", "--limit", "5", "--metadata", "course=42"}
	out, err := roomcast(t.Context(), f, nil, args...)
	require.NoError(t, err)
	lines := strings.Split(out, "\n")
	assert.Regexp(t, `^ID +STATE +POSITION +ROOM +USER +KB/S +AGE +APP +SOURCE +TROUBLE$`, lines[0])
	assert.Regexp(t, `^`+id1+` +completed +1:00 / 1:00 +r +u +- +\S+ +14 +http://h/a.mp4 +-$`, lines[1])
	assert.Regexp(t, `^`+id2+` +failed +- +r .*the room refuses \?\]0;this\? \[room_denied\]$`, lines[2])
	assert.Contains(t, lines[3], "there are more")

	out, err = roomcast(t.Context(), f, nil, "ls", "--json")
	require.NoError(t, err)
	assert.Empty(t, out)
	out, err = roomcast(t.Context(), f, nil, append(args, "--json")...)
	require.NoError(t, err)
	out, _, _ = strings.Cut(out, "there are more")
	assert.Equal(t, []string{id1 + " completed", id2 + " failed"}, objects(t, out))
	assert.NotContains(t, out, "\x1b")
}

func TestNothingIsWiderThanATerminal(t *testing.T) {
	long := strings.Replace(p1, `"reason":"the room takes it"`, `"reason":"the room takes it, and this is a reason of many words that goes on and on"`, 1)
	past := strings.Replace(events, "resume is not saved", "what is remembered is not saved now, because the Redis that was named cannot be reached", 1)
	f := serve(t, map[string]string{
		"GET /v1/pushes/" + id1: long, "GET /v1/pushes/" + id1 + "/events": past, "GET /v1/pushes?limit=50": `{"pushes":[` + long + `,` + failedPush + `]}`,
	})
	getenv := func(name string) string { return map[string]string{"ROOMCAST_API": f.url, "NO_COLOR": "1"}[name] }
	for _, columns := range []int{80, 60} {
		for _, args := range [][]string{{"show", id1}, {"events", id1}, {"ls"}, {"show", "0199a2b0-0000-7000-8000-0000000000ff"}, {"push", "--room"}} {
			out := &terminal{columns: columns}
			if err := run(t.Context(), args, getenv, out, out); err != nil {
				fmt.Fprintln(out, err)
			}
			for line := range strings.Lines(out.String()) {
				assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), columns, line)
			}
		}
	}
}

func TestShow(t *testing.T) {
	f := serve(t, map[string]string{"GET /v1/pushes/" + id1: p1, "GET /v1/pushes/" + id1 + "/events": events})
	out, err := roomcast(t.Context(), f, nil, "show", id1)
	require.NoError(t, err)
	for _, want := range []string{"vod mp4, h264 High 1280x720 30 fps, aac 48000 Hz", "copy: the room takes it (1280x720)", "transcode: codec opus (44100 Hz)", "r as u, app 14", "queued", "warning [redis_away]", "resume is not saved"} {
		assert.Contains(t, out, want)
	}
	out, err = roomcast(t.Context(), f, nil, "show", id1, "--json")
	require.NoError(t, err)
	var shown struct {
		ID     string
		Events []any
	}
	require.NoError(t, json.Unmarshal([]byte(out), &shown))
	assert.Equal(t, id1, shown.ID)
	assert.Len(t, shown.Events, 2)
	assert.Equal(t, 1, strings.Count(out, "\n"))
}

func TestEvents(t *testing.T) {
	end := told(failedPush)
	f := serve(t, map[string]string{"GET /v1/pushes/" + id2 + "/events": events, "SSE /v1/pushes/" + id2 + "/events": end})
	out, err := roomcast(t.Context(), f, nil, "events", id2)
	require.NoError(t, err)
	assert.Regexp(t, `attempt 0  queued\n.* attempt 1  warning \[redis_away\]  resume is not saved\n$`, out)
	out, err = roomcast(t.Context(), f, nil, "events", id2, "-f")
	require.NoError(t, err)
	assert.Regexp(t, `queued\n.*resume is not saved\n.*failed\n$`, out)
	out, err = roomcast(t.Context(), f, nil, "events", id2, "--json")
	require.NoError(t, err)
	assert.Equal(t, []string{"queued", ""}, objects(t, out))
}

func TestCheck(t *testing.T) {
	good := strings.Replace(p1, `"id":"`+id1+`",`, "", 1)
	f := serve(t, map[string]string{"POST /v1/pushes?dryRun=true&probe=true": good})
	out, err := roomcast(t.Context(), f, nil, "check", "http://h/a.mp4", "--app", "14", "--width", "640")
	require.NoError(t, err)
	assert.Contains(t, out, "transcode: codec opus")
	assert.Contains(t, out, "a push of it would play\n")
	assert.NotContains(t, out, "state ")
	assert.JSONEq(t, `{"videoSrc":"http://h/a.mp4","sdkAppId":14,"roomId":"check","userId":"check","mode":"auto","resumeScope":"source","width":640}`, f.body)

	f.answers["POST /v1/pushes?dryRun=true&probe=true"] = strings.Replace(failedPush, `"id":"`+id2+`",`, "", 1)
	out, err = roomcast(t.Context(), f, nil, "check", "http://h/a.mp4", "--json")
	require.ErrorContains(t, err, "a push of it would fail: the room refuses")
	assert.Equal(t, []string{"failed"}, objects(t, out))
}

func TestIDsMayBeShort(t *testing.T) {
	const page = "GET /v1/pushes?limit=200"
	f := serve(t, map[string]string{
		"GET /v1/pushes?limit=1": `{"pushes":[` + failedPush + `]}`,
		page:                     `{"pushes":[` + p1 + `],"nextCursor":"c"}`, "GET /v1/pushes?cursor=c&limit=200": `{"pushes":[` + failedPush + `]}`,
		"DELETE /v1/pushes/" + id1: p1, "DELETE /v1/pushes/" + id2: failedPush,
	})
	for word, id := range map[string]string{id1: id1, "@last": id2, "a1": id1, "…0000A1": id1, id2[:35]: id2} {
		out, err := roomcast(t.Context(), f, nil, "stop", word)
		require.NoError(t, err, word)
		assert.Contains(t, out, id, word)
	}
	_, err := roomcast(t.Context(), f, nil, "stop", "0199")
	assert.EqualError(t, err, "stop 0199: 0199 is of 2 pushes:\n  "+id1+" completed r/u\n  "+id2+" failed r/u")
	_, err = roomcast(t.Context(), f, nil, "stop", "ff")
	assert.EqualError(t, err, "stop ff: no push has an id that begins or ends with ff")
	_, err = roomcast(t.Context(), f, nil, "stop", "")
	require.Error(t, err)
	f.answers["GET /v1/pushes?limit=1"] = `{"pushes":[]}`
	_, err = roomcast(t.Context(), f, nil, "show", "@last")
	assert.EqualError(t, err, "there is no push")
}

func TestStopGoesOnAfterAFailure(t *testing.T) {
	f := serve(t, map[string]string{"DELETE /v1/pushes/" + id1: p1})
	out, err := roomcast(t.Context(), f, nil, "stop", id2, id1)
	assert.EqualError(t, err, "stop "+id2+": there is no such push [not_found]")
	assert.Equal(t, id1+" completed\n", out)
	out, err = roomcast(t.Context(), f, nil, "stop", id1, "--json")
	require.NoError(t, err)
	assert.Equal(t, []string{id1 + " completed"}, objects(t, out))
}

func TestTimesOnTheCommandLine(t *testing.T) {
	for word, want := range map[string]time.Duration{
		"90": 90 * time.Second, "1:30": 90 * time.Second, "1m30s": 90 * time.Second, "0.5": 500 * time.Millisecond, "1:02:03.5": 3723500 * time.Millisecond,
		"-200ms": -200 * time.Millisecond, "-1:30": -90 * time.Second, "100:00": 100 * time.Minute,
	} {
		var s span
		require.NoError(t, s.UnmarshalText([]byte(word)), word)
		assert.Equal(t, want, time.Duration(s), word)
	}
	for _, word := range []string{"", "-", "1:90", "1:", ":30", "1:2:3:4", "1.5:00", "soon", "1h-2m", "--5", "1e9", "99999999999", "NaN"} {
		var s span
		assert.Error(t, s.UnmarshalText([]byte(word)), word)
	}
	_, err := roomcast(t.Context(), nil, nil, "push", "x", "--room=r", "--user=u", "--start-at=soon")
	assert.ErrorContains(t, err, "--start-at: must be a time such as 90 (seconds), 1:30 or 1m30s (roomcast push --help says more)")
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
		"a worker has no sandbox": {checks(`{"name":"sandbox","status":"warning","code":"no_sandbox","message":"it lacks Landlock"}`), "", "note  it lacks Landlock", true},
		"all have a sandbox":      {checks(`{"name":"sandbox","status":"ok"}`), "", "ok    sources are taken apart in a sandbox", true},
		"a worker is older":       {checks(`{"name":"versions","status":"warning","code":"other_version","message":"update it"}`), "", "note  update it", true},
		"a check that failed":     {checks(`{"name":"workers","status":"unknown"}`), "", "note  the API could not look at its workers", true},

		"all is well":     {map[string]string{ready: "{}", list: `{"pushes":[]}`}, "", "asks for no key", true},
		"with a key":      {map[string]string{ready: "{}", list: `{"pushes":[]}`}, "canary", "asks for no key; that in ROOMCAST_API_KEY is not looked at", true},
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
	assert.NotContains(t, out, "doctor says more")

	f := serve(t, map[string]string{"GET /healthz": "ok", ready: "{}", list: `{"pushes":[]}`})
	f.key = "canary"
	out, err = roomcast(t.Context(), f, map[string]string{"ROOMCAST_API_KEY": "canary"}, "doctor")
	require.NoError(t, err)
	assert.Contains(t, out, "it takes the key in ROOMCAST_API_KEY\n")
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"help"}, {"help", "stage", "room"}, {"push", "--help"}, {"--version"}, {"version"}, {"version", "--json"}} {
		out, err := roomcast(t.Context(), nil, nil, args...)
		require.NoError(t, err, args)
		assert.NotEmpty(t, out)
		for line := range strings.Lines(out) {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 81, line)
		}
	}
	out, err := roomcast(t.Context(), nil, nil, "help", "push")
	require.NoError(t, err)
	assert.Contains(t, out, "Usage: roomcast push ")
}

func TestDoctorTellsProgramsToo(t *testing.T) {
	out, err := roomcast(t.Context(), serve(t, map[string]string{"GET /healthz": "ok", "GET /readyz": "{}", "GET /v1/pushes?limit=1": noKey}), nil, "doctor", "--json")
	require.ErrorIs(t, err, errUnwell)
	assert.Contains(t, out, `{"finding":"fail","message":"it asks for a key and ROOMCAST_API_KEY is not set: export ROOMCAST_API_KEY=KEY, one whose SHA-256 is in the API's ROOMCAST_API_KEYS"}`+"\n")
	assert.Len(t, objects(t, out), 3)
}

// namedFlags are the flags that a text names in the client's own commands.
var namedFlags = regexp.MustCompile(`roomcast ([a-z]+)((?: [^\n;|#` + "`" + `]*)?)`)

func TestEveryFlagThatIsNamedExists(t *testing.T) {
	found := 0
	for _, path := range []string{"../../README.md", "../../docs/api.md", "../../ARCHITECTURE.md"} {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range namedFlags.FindAllStringSubmatch(string(text), -1) {
			help, err := roomcast(t.Context(), nil, nil, "help", m[1])
			if !assert.NoError(t, err, m[0]) {
				continue
			}
			for _, word := range strings.Fields(m[2]) {
				name, _, _ := strings.Cut(strings.Trim(word, "(),."), "=")
				if strings.HasPrefix(name, "--") {
					found++
					assert.Contains(t, strings.ReplaceAll(help, "[no-]", ""), name, m[0])
				}
			}
		}
	}
	assert.Positive(t, found)
}

func TestOnlyLoopbackIsThisMachine(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true, "10.0.0.1": false, "example.org": false} {
		assert.Equal(t, want, loopback(host), host)
	}
}

func TestAContainerHasOneName(t *testing.T) {
	for names, want := range map[string]string{"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska", "flv": "flv"} {
		assert.Equal(t, want, container(names))
	}
}
