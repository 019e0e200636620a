package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// browse runs a script of web/console/e2e, which looks at the page with a
// browser, and returns what it prints.
func (s *stack) browse(script string, stage fields) string {
	s.t.Helper()
	stage["url"], stage["key"], stage["app"] = s.url, apiKey, appID
	text, err := json.Marshal(stage)
	require.NoError(s.t, err)
	console, err := filepath.Abs("../../web/console")
	require.NoError(s.t, err)
	for _, need := range []string{"/usr/bin/chromium", filepath.Join(console, "node_modules/playwright-core")} {
		_, err := os.Stat(need)
		require.NoError(s.t, err, "make test installs it")
	}
	cmd := exec.CommandContext(s.t.Context(), "node", "e2e/"+script)
	cmd.Dir = console
	cmd.Env = append(os.Environ(), "STAGE="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = &testLog{t: s.t}
	out, err := cmd.Output()
	require.NoError(s.t, err, "%s", out)
	return string(out)
}

// testLog is written into the test's log.
type testLog struct{ t testing.TB }

func (l *testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// films serves a clip under every name but two: one is refused, and one is away
// between POST /leave and POST /return.
func films(t testing.TB, clip string) string {
	var away atomic.Bool
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, clip) }
	mux.HandleFunc("/", serve)
	mux.HandleFunc("/forbidden.mp4", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	mux.HandleFunc("/away.mp4", func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		serve(w, r)
	})
	mux.HandleFunc("POST /leave", func(http.ResponseWriter, *http.Request) { away.Store(true) })
	mux.HandleFunc("POST /return", func(http.ResponseWriter, *http.Request) { away.Store(false) })
	return mediatest.ServeHandler(t, mux)
}

func signing() []string { return []string{"ROOMCAST_SDK_KEYS=" + strconv.Itoa(appID) + "=" + appKey} }

// The page in a browser: web/console/e2e/page.mjs says what is done and seen.
func TestThePageIsUsedInABrowser(t *testing.T) {
	beside(t)
	if dir := os.Getenv("IMAGES"); dir != "" {
		drawImages(t, dir)
		return
	}
	s := newStack(t, options{env: signing()})
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 300, Width: 320, Height: 180, FPS: 15})
	t.Logf("%s", s.browse("page.mjs", fields{
		"files": films(t, clip), "user": "teacher", "userSig": userSig(t, "teacher", 3600), "pictureWithin": pictureTime().Milliseconds(),
	}))
}
