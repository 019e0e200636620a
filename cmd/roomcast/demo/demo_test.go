package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
	"github.com/roomcast/roomcast/tasks"
)

// newTestDemo returns a demo that has started nothing.
func newTestDemo(t *testing.T) *demo {
	t.Helper()
	d := &demo{
		cfg:  Config{Root: "run", Getenv: os.Getenv, Stdout: io.Discard},
		root: t.TempDir(), secrets: newSecrets(), ended: func(error) {}, source: "http://127.0.0.1:2/clip.mp4",
	}
	d.screen = screen.New(d.cfg.Stdout, d.cfg.Getenv)
	d.dir = filepath.Join(d.root, "demo-1")
	require.NoError(t, os.Mkdir(d.dir, 0o700))
	for name, to := range map[string]*string{"redis-server": &d.tools.redis, "ffmpeg": &d.tools.ffmpeg, "ffprobe": &d.tools.ffprobe} {
		path, err := exec.LookPath(name)
		require.NoError(t, err, "scripts/deps test installs it")
		*to = path
	}
	t.Cleanup(func() { assert.NoError(t, d.close()) })
	return d
}

func TestRedisIsPrivate(t *testing.T) {
	d := newTestDemo(t)
	require.NoError(t, d.startRedis(t.Context()))
	require.NoError(t, pingRedis(t.Context(), d.redisAddr, d.secrets.redis))
	assert.Error(t, pingRedis(t.Context(), d.redisAddr, "another"))
	assert.DirExists(t, filepath.Join(d.dir, "appendonlydir"))
	info, err := os.Stat(filepath.Join(d.dir, "redis.conf"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestNoSecretIsInAProcessList(t *testing.T) {
	d := newTestDemo(t)
	d.redisAddr, d.files = "127.0.0.1:1", "127.0.0.1:2"
	require.NoError(t, d.startRoom(t.Context()))
	for _, s := range []service{d.redis(), d.apiService(), d.workerService()} {
		p, err := s.program("127.0.0.1:3")
		require.NoError(t, err)
		line := p.path + " " + strings.Join(p.args, " ")
		for _, secret := range []string{d.secrets.redis.Reveal(), d.secrets.api.Reveal(), d.secrets.sdk.Reveal(), d.secrets.seal.Reveal()} {
			assert.NotContains(t, line, secret, s.name)
		}
		assert.NotContains(t, strings.Join(p.env, " "), d.secrets.api.Reveal(), "the API gets the key's digest")
	}
}

func TestOurOwnSettingsDoNotReachTheChildren(t *testing.T) {
	d := newTestDemo(t)
	d.cfg.Getenv = func(name string) string { return map[string]string{"PATH": "/bin", "ROOMCAST_SDK_KEYS": "1=x"}[name] }
	assert.Equal(t, []string{"PATH=/bin"}, d.plainEnv())
}

func TestAProgramThatEndsEarlyIsStartedAnew(t *testing.T) {
	d := newTestDemo(t)
	tries := 0
	s := service{
		name: "flaky",
		program: func(string) (program, error) {
			tries++
			return program{path: "/bin/sh", args: []string{"-c", "echo no port; exit 1"}}, nil
		},
		check: func(context.Context, string) error { return errors.New("not up") },
	}
	_, _, err := d.launch(t.Context(), s)
	require.ErrorContains(t, err, "start flaky: ended before it was ready: flaky: exit status 1")
	assert.Equal(t, portTries, tries)
}

func TestAFileIsServedWithRangesUnderItsName(t *testing.T) {
	d := newTestDemo(t)
	d.cfg.Source = filepath.Join(t.TempDir(), "my {film} 100%.mp4")
	require.NoError(t, os.WriteFile(d.cfg.Source, []byte("0123456789"), 0o600))
	require.NoError(t, d.startFiles(t.Context()))
	defer http.DefaultClient.CloseIdleConnections()
	get := func(address string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, address, nil)
		require.NoError(t, err)
		r.Header.Set("Range", "bytes=2-3")
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		body, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body)
	}
	status, body := get(d.source)
	assert.Equal(t, 206, status, d.source)
	assert.Equal(t, "23", body)
	status, _ = get("http://" + d.files + "/other.mp4")
	assert.Equal(t, 404, status)
}

func TestWhatIsNoFileIsSaidBeforeAnythingStarts(t *testing.T) {
	var out bytes.Buffer
	cfg := Config{Source: filepath.Join(t.TempDir(), "missing.mp4"), Root: t.TempDir(), Getenv: os.Getenv, Stdout: &out}
	require.ErrorContains(t, Run(t.Context(), cfg), "missing.mp4: no such file")
	cfg.Source = t.TempDir()
	require.ErrorContains(t, Run(t.Context(), cfg), "is no file")
	assert.Empty(t, out.String())
}

func TestAFailureOfTheSourceShowsNoLogs(t *testing.T) {
	for code, want := range map[tasks.Code]bool{tasks.CodeSourceInvalid: false, tasks.CodeInternal: true} {
		d := newTestDemo(t)
		var out bytes.Buffer
		d.screen = screen.New(&out, os.Getenv)
		require.NoError(t, os.WriteFile(d.logOf("worker"), []byte("a line of the log\n"), 0o600))
		err := failure(client.Push{State: tasks.Failed, Error: &client.Failure{Code: code, Message: "it is a web page"}})
		require.ErrorContains(t, d.leave(err), "it is a web page")
		assert.Equal(t, want, strings.Contains(out.String(), "a line of the log"), code)
	}
}

func TestASourceThatIsTooShortIsSaid(t *testing.T) {
	d := newTestDemo(t)
	d.cfg.Seconds = 10
	require.NoError(t, d.tooShort(client.Push{State: tasks.Stopped}))
	err := d.tooShort(client.Push{State: tasks.Completed, Source: &client.Source{Kind: client.SourceKindVod, DurationMs: 4000}})
	require.EqualError(t, err, "the source is 4.0 s long, --seconds 10 needs more")
	assert.ErrorAs(t, err, new(sourceError))
}

func TestWhatIsPastedIsQuotedForAShell(t *testing.T) {
	for word, want := range map[string]string{"http://h:1/a.mp4": "http://h:1/a.mp4", "http://h/a?b&c": "'http://h/a?b&c'", "it's": `'it'\''s'`} {
		assert.Equal(t, want, quoted(word))
	}
}

func TestAnAddressIsLetThrough(t *testing.T) {
	for address, want := range map[string]string{
		"http://127.0.0.1:9000/live.m3u8": "127.0.0.1:9000", "https://example.com/a.mp4?t=x": "example.com:443", "rtmp://h/app/key": "h:1935",
		"rtsp://h/cam": "h:554", "srt://[::1]:9000": "[::1]:9000", "gopher://h/": "", "http://%zz": "",
	} {
		d := newTestDemo(t)
		d.cfg.Source = address
		require.NoError(t, d.startFiles(t.Context()))
		assert.Equal(t, []string{address, want}, []string{d.source, d.files})
	}
}

func TestAProgramIsToldTheSteps(t *testing.T) {
	d := newTestDemo(t)
	var out bytes.Buffer
	d.cfg.JSON, d.screen = true, screen.New(&out, os.Getenv)
	d.say("room", "%s", "x")
	assert.Equal(t, `{"message":"x","step":"room"}`+"\n", out.String())
}

func TestAMissingProgramIsNamed(t *testing.T) {
	err := Run(t.Context(), Config{Bin: t.TempDir(), Root: t.TempDir(), Getenv: os.Getenv, Stdout: io.Discard})
	assert.ErrorContains(t, err, "/api is not there: make build")
	assert.Error(t, Run(t.Context(), Config{Seconds: -1}))
}

// fakeBin is a folder with an api and a worker that do as the scripts say.
func fakeBin(t *testing.T, api, worker string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{"api": api, "worker": worker} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	}
	return dir
}

func TestAFailureShowsTheLogAndLeavesNothingRunning(t *testing.T) {
	root := t.TempDir()
	// The clip is not what this is about.
	require.NoError(t, os.WriteFile(filepath.Join(root, "clip-1280x720-11s-clock.mp4"), nil, 0o600))
	var out bytes.Buffer
	err := Run(t.Context(), Config{
		Seconds: 1, Bin: fakeBin(t, "echo no such setting >&2; exit 1", "exit 1"),
		Root: root, Getenv: os.Getenv, Stdout: &out,
	})
	require.Error(t, err)
	assert.Contains(t, out.String(), "no such setting")
	pids, _ := exec.Command("pgrep", "-f", root).Output()
	assert.Empty(t, string(pids))
}

func TestAnInterruptWhileStartingIsNoFailureOfAnOpenDemo(t *testing.T) {
	for _, seconds := range []int{0, 1} {
		ctx, cancel := context.WithCancel(t.Context())
		root := t.TempDir()
		cancel()
		err := Run(ctx, Config{Seconds: seconds, Bin: fakeBin(t, "", ""), Root: root, Getenv: os.Getenv, Stdout: io.Discard})
		if seconds == 0 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, errInterrupted)
		}
		left, _ := filepath.Glob(filepath.Join(root, "demo-*"))
		assert.Empty(t, left)
	}
}

func TestARequestIsSignedForTheRoom(t *testing.T) {
	d := newTestDemo(t)
	r, err := d.request()
	require.NoError(t, err)
	assert.Equal(t, "http://127.0.0.1:2/clip.mp4", r.VideoSrc.Reveal())
	assert.NotEmpty(t, r.UserSig.Reveal())
}

func TestACloseIsInReverseOrder(t *testing.T) {
	var order []int
	d := &demo{}
	for i := range 3 {
		d.atEnd(func() error { order = append(order, i); return nil })
	}
	require.NoError(t, d.close())
	assert.Equal(t, []int{2, 1, 0}, order)
}

// soon bounds a wait on a busy machine.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
