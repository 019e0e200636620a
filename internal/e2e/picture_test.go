package e2e

import (
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

func TestAPictureStandsForItsTimeOverTheDeathOfItsWorker(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.png")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360", "-frames:v", "1", path).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var fetched atomic.Int32
	source := mediatest.ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		http.ServeFile(w, r, path)
	}))
	s, noise := newStack(t, options{}), mediatest.WatchNoise(t)
	id := s.push(source+"/a.png", "r", "u", fields{"maxDurationSec": 13})
	_, err = s.room.WaitMedia(patient(t), "u", 4*time.Second)
	require.NoError(t, err)
	s.addWorker()
	s.workers[0].kill()
	again := s.waitFor(id, "a second attempt that publishes", func(p map[string]any) bool {
		return p["attempt"] == 2.0 && p["status"] == "publishing"
	})
	require.Greater(t, positionMs(again), 2500.0)
	push := s.waitStatus(id, "completed", "failed", "stopped")
	require.Equal(t, "completed", push["status"], push)
	require.EqualValues(t, 2, fetched.Load(), "once by each worker")
	var total time.Duration
	sessions := s.room.Sessions()
	require.Len(t, sessions, 2)
	for _, session := range sessions {
		require.Empty(t, session.Violations)
		decodeSession(t, s.room, session.ID)
		total += session.Video.Wall()
	}
	require.InDelta(t, 13, total.Seconds(), 2.5+min(1, noise().Seconds())) // what the first one had not told yet is shown again
}

func TestASourceThatIsAPageFailsInWords(t *testing.T) {
	t.Parallel()
	source := mediatest.ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><title>Sign in</title></html>")
	}))
	s := newStack(t, options{})
	push := s.waitStatus(s.push(source+"/a.mp4", "r", "u", nil), "failed")
	failure, _ := push["error"].(map[string]any)
	require.Equal(t, "source_invalid", failure["code"], push)
	require.Equal(t, "the source is a web page (HTML), not a video: does it need a login, or does its address lead to a player instead of the file?", failure["message"])
}
