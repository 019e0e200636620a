package e2e

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

type sample struct {
	At             time.Time
	BitrateKbps    int64
	FPS            float64
	LatenessMs     int64
	DroppedPackets int64
}

func (s *stack) samples(id string) []sample {
	s.t.Helper()
	a := s.do(http.MethodGet, "/v1/pushes/"+id+"/samples", nil)
	require.Equal(s.t, http.StatusOK, a.code, a.raw)
	var list struct{ Samples []sample }
	require.NoError(s.t, json.Unmarshal([]byte(a.raw), &list))
	return list.Samples
}

func TestSamplesTellHowAPushWentOverATakeoverAndAfterItsEnd(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	noise := mediatest.WatchNoise(t)
	id := s.push(files.URL+"/a", "r", "u", nil)
	require.Empty(t, s.samples(id))
	var got []sample
	wait := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool { got = s.samples(id); return len(got) >= n }, patience, 200*time.Millisecond, "%d samples", n)
	}
	wait(1)
	progress, _ := s.get(id)["progress"].(map[string]any)
	stood := noise()
	off := min(2, 1+2*stood.Seconds()) // of windows of ten seconds and less
	require.InEpsilon(t, progress["bitrateKbps"], got[0].BitrateKbps, 0.25*off, "%+v, and progress %v", got, progress)
	require.InDelta(t, 30, got[0].FPS, 2*off)
	require.WithinDuration(t, time.Now(), got[0].At, 3*time.Second+mediatest.Hops*stood)
	first := got[0]

	s.workers[0].kill()
	s.addWorker()
	wait(2)
	require.Equal(t, first, got[0], "it stays")
	require.Greater(t, got[1].At.Sub(first.At), 10*time.Second)
	require.Positive(t, got[1].BitrateKbps)
	s.stop(id)
	s.waitStatus(id, "stopped")
	require.Equal(t, got, s.samples(id)[:2], "after its end, too")
}
