package stage

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/internal/freeport"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/trtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	app = 1
	key = "key of app 1"
)

func freeAddr(t *testing.T) string {
	t.Helper()
	port, err := freeport.Find()
	require.NoError(t, err)
	return freeport.Addr(port)
}

func TestTheReportTellsWhatTheRoomReceived(t *testing.T) {
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{app: key}})
	require.NoError(t, err)
	defer room.Close()
	door, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{app: key}})
	require.NoError(t, err)
	sig, err := door.MintUserSig(app, "u", time.Hour)
	require.NoError(t, err)
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 3})
	mediatest.FFmpeg(t, "-i", clip, "-c", "copy", "-f", "flv", room.URL()+"/r?sdkappid=1&userid=u&usersig="+sig.Reveal())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, err = room.WaitEnded(ctx, "u")
	require.NoError(t, err)

	w := httptest.NewRecorder()
	report(room).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/sessions", nil))
	var all []Session
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &all))
	require.Len(t, all, 1)
	s := all[0]
	assert.Equal(t, []any{uint32(app), "r", "u", false}, []any{s.App, s.Room, s.User, s.Live()})
	assert.InDelta(t, 3000, s.Video.DecodableMs, 200)
	assert.InDelta(t, 3000, s.Audio.DecodableMs, 200)
	assert.NotContains(t, w.Body.String(), sig.Reveal())
}

func TestARoomAndItsReportEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cfg := RoomConfig{Listen: "127.0.0.1:0", Report: freeAddr(t), Keys: map[uint32]media.Secret{app: key}, Log: io.Discard}
	ready := make(chan string, 1)
	cfg.Ready = func(room string) { ready <- room }
	ended := make(chan error, 1)
	go func() { ended <- Room(ctx, cfg) }()
	assert.Regexp(t, `^rtmp://127\.0\.0\.1:\d+/`, <-ready)
	assert.Equal(t, "[]\n", body(t, "http://"+cfg.Report+"/sessions"))
	cancel()
	require.NoError(t, <-ended)
}

func TestARoomNeedsAKey(t *testing.T) {
	err := Room(t.Context(), RoomConfig{Listen: "127.0.0.1:0", Report: "127.0.0.1:0", Log: io.Discard})
	assert.ErrorContains(t, err, "ROOMCAST_SDK_KEYS")
}

func TestFilesAreServedUntilTheContextEnds(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clip.mp4"), []byte("clip"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	addr := make(chan string, 1)
	ended := make(chan error, 1)
	go func() { ended <- Files(ctx, "127.0.0.1:0", dir, func(at string) { addr <- at }) }()
	assert.Equal(t, "clip", body(t, "http://"+<-addr+"/clip.mp4"))
	cancel()
	require.NoError(t, <-ended)
}

// body asks until the server is there.
func body(t *testing.T, url string) string {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var text []byte
	require.Eventually(t, func() bool {
		answer, err := c.Get(url)
		if err != nil {
			return false
		}
		defer func() { _ = answer.Body.Close() }()
		text, err = io.ReadAll(answer.Body)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	return string(text)
}
