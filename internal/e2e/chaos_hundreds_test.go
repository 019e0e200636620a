package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// fullWorker is a crowd as large as its worker's slots, copied from a clip as people
// have them, and an idle worker beside it.
func fullWorker(t *testing.T) (c *crowd, before map[string]fakeroom.Session) {
	t.Helper()
	beside(t)
	clip := mediatest.Spec{Seconds: 120, Width: 320, Height: 180, GOPSeconds: 2}
	if full {
		clip = mediatest.Spec{Seconds: 180, Width: 1280, Height: 720, GOPSeconds: 2, Args: []string{"-b:v", "2M", "-maxrate", "2M", "-bufsize", "4M"}}
	}
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, clip)})
	n := sized().full
	c = &crowd{
		stack: newStack(t, options{forget: true, env: []string{fmt.Sprintf("ROOMCAST_WORKER_SLOTS=%d", n)}}),
		ids:   map[string]string{}, files: files,
	}
	c.publish(n)
	c.addWorker()
	require.Eventually(t, func() bool { // it has told that it is there
		return len(objects(c.do(http.MethodGet, "/v1/workers", nil).body, "workers")) == 2
	}, patience, 20*time.Millisecond)
	c.calm()
	return c, c.now()
}

func (f figures) p99() time.Duration { return f.sorted()[(len(f)*99)/100] }

// later waits until every user publishes in a newer session, and returns the one that
// followed that of before.
func (c *crowd) later(before map[string]fakeroom.Session) map[string]fakeroom.Session {
	c.t.Helper()
	c.again(before)
	next := map[string]fakeroom.Session{}
	for _, s := range slices.Backward(c.room.Sessions()) {
		if s.ID > before[s.User].ID && s.Media() > 0 {
			next[s.User] = s
		}
	}
	return next
}

func TestChaosAFullWorkerThatIsKilledIsReplaced(t *testing.T) {
	c, before := fullWorker(t)
	killed := time.Now()
	c.workers[0].kill()
	var times figures
	for _, s := range c.later(before) {
		times = append(times, firstAt(s).Sub(killed))
	}
	result(t, "%d pushes, publishing again p50 %v, p99 %v, max %v", len(c.users), times.p50(), times.p99(), times.max())
	c.requireNeverDoubled()
	c.requireProgress()
	times.requireWithin(t, 5*time.Second, 5*time.Second)
}

func TestChaosAFullWorkerToldToEndHandsAllItsPushesOver(t *testing.T) {
	c, before := fullWorker(t)
	told, noise := time.Now(), mediatest.WatchNoise(t)
	require.Zero(t, c.workers[0].end(t))
	took := time.Since(told)
	after, ended := c.later(before), map[int]fakeroom.Session{}
	for _, s := range c.room.Sessions() {
		ended[s.ID] = s
	}
	var gaps figures
	for u, s := range after {
		gaps = append(gaps, firstAt(s).Sub(lastAt(ended[before[u].ID])))
	}
	warm := prepared(c.workers[0])
	result(t, "%d pushes, %d of them prepared before, gap in the room p50 %v, p99 %v, max %v, exit 0 after %v",
		len(c.users), warm, gaps.p50(), gaps.p99(), gaps.max(), took.Round(time.Millisecond))
	c.requireNeverDoubled()
	c.requireProgress()
	require.Less(t, took, 25*time.Second)
	late := busy(noise())
	require.LessOrEqual(t, gaps.p99(), 400*time.Millisecond*sized().tolerance+late)
	require.LessOrEqual(t, gaps.max(), time.Second*sized().tolerance+late)
}
