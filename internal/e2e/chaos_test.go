package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// full says that the tests of faults run at full size: `make chaos`.
var full = os.Getenv("CHAOS") == "full"

// size is how hard the tests of faults try.
type size struct {
	pushes     int
	rolling    int // pushes under rolling restarts
	full       int // pushes of a worker that is full
	rounds     int
	outages    []time.Duration // of Redis
	freeze     time.Duration   // of a worker
	renewCap   time.Duration   // of one that is cut off from Redis in a room that kicks nobody
	pairs      int             // of create and stop
	faults     int             // at random
	population int             // pushes under random faults
	clip       float64         // seconds; no push may reach its end
	tolerance  time.Duration   // factor on the limits of time: a busy machine, the race detector
	quiet      time.Duration   // how long nothing may happen
	tries      int             // of what is to be in time
}

var (
	ci = size{
		pushes: 5, rolling: 5, full: 20, rounds: 2, outages: []time.Duration{2 * time.Second, 8 * time.Second},
		freeze: 8 * time.Second, renewCap: 10 * time.Second, pairs: 40, faults: 20, population: 5, clip: 300, tolerance: 4,
		quiet: 3 * time.Second, tries: 3,
	}
	whole = size{
		pushes: 20, rolling: 30, full: 200, rounds: 3, outages: []time.Duration{2 * time.Second, 8 * time.Second, 40 * time.Second},
		freeze: time.Minute, renewCap: 2 * time.Minute, pairs: 500, faults: 200, population: 20, clip: 1800, tolerance: 1,
		quiet: 10 * time.Second, tries: 1,
	}
)

func sized() size {
	if full {
		return whole
	}
	return ci
}

// busy is what a machine on which a timer was so late may add to a time: nothing at full
// size, where nothing else is to run beside.
func busy(stood time.Duration) time.Duration {
	if full {
		return 0
	}
	return mediatest.Hops * stood
}

// inTime tries what is to be in time: in a small run, where other packages take the CPU, up
// to three times. try returns what was wrong.
func inTime(t *testing.T, try func() []string) {
	t.Helper()
	var wrong []string
	for range sized().tries {
		if wrong = try(); len(wrong) == 0 {
			return
		}
		t.Logf("not in time: %s", strings.Join(wrong, "; "))
	}
	require.Empty(t, wrong)
}

// lease is the default of ROOMCAST_LEASE.
const lease = 3 * time.Second

// beside lets a test that mostly waits run beside others, unless the figures
// are wanted.
func beside(t *testing.T) {
	t.Helper()
	if !full {
		t.Parallel()
	}
}

// crowd is a stack with many pushes, each of a user of its own in a room of
// its own, from a clip that outlasts the test.
type crowd struct {
	*stack
	files *httptest.Server
	ids   map[string]string // by user
	users []string
	noise func() time.Duration // since it was asked last
	worst time.Duration        // noise before that
}

// stood is how long this machine stood still at most since the first push.
func (c *crowd) stood() time.Duration {
	c.worst = max(c.worst, c.noise())
	c.noise = mediatest.WatchNoise(c.t)
	return c.worst
}

func newCrowd(t testing.TB, o options) *crowd {
	t.Helper()
	o.forget = true
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: sized().clip, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1})
	files := mediatest.Serve(t, map[string]string{"a": clip}) // closed after those who read from it
	return &crowd{stack: newStack(t, o), ids: map[string]string{}, files: files}
}

// publish starts n pushes and returns once the room has had a second of each.
func (c *crowd) publish(n int) {
	c.t.Helper()
	if c.noise == nil {
		c.noise = mediatest.WatchNoise(c.t)
	}
	for range n {
		c.add(fmt.Sprintf("u%d", len(c.users)), c.files.URL+"/a")
	}
	for _, u := range c.users {
		_, err := c.room.WaitMedia(patient(c.t), u, time.Second)
		require.NoError(c.t, err)
	}
}

// add starts one push and returns its id.
func (c *crowd) add(user, src string) string {
	c.t.Helper()
	c.ids[user] = c.push(src, "room_"+user, user, nil)
	c.users = append(c.users, user)
	return c.ids[user]
}

// calm waits until the sweeper of the API takes over: it holds off for two
// leases after its start, which is nothing a fault is measured with.
func (c *crowd) calm() { <-time.After(time.Until(c.since.Add(2*lease + time.Second))) }

// of returns the sessions of a user in their order.
func (c *crowd) of(user string) []fakeroom.Session {
	return slices.DeleteFunc(c.room.Sessions(), func(s fakeroom.Session) bool { return s.User != user })
}

// now returns every user's newest session.
func (c *crowd) now() map[string]fakeroom.Session {
	c.t.Helper()
	all := map[string]fakeroom.Session{}
	for _, u := range c.users {
		s, ok := c.room.Session(u)
		require.True(c.t, ok, "%s never published", u)
		all[u] = s
	}
	return all
}

// again waits until every user publishes in a newer session than before, with
// media in it.
func (c *crowd) again(before map[string]fakeroom.Session) map[string]fakeroom.Session {
	c.t.Helper()
	after := map[string]fakeroom.Session{}
	for u, old := range before {
		s, err := c.room.Wait(patient(c.t), u, "publishing again", func(s fakeroom.Session) bool {
			return s.ID > old.ID && s.Live() && s.Media() > 0
		})
		require.NoError(c.t, err)
		after[u] = s
	}
	return after
}

// events counts what happened to a user in the room.
func (c *crowd) events(user string, kind fakeroom.EventKind) int {
	n := 0
	for _, e := range c.room.History() {
		if e.User == user && e.Kind == kind {
			n++
		}
	}
	return n
}

// requireNeverDoubled fails when somebody published as a user who already did:
// this room kicks the first one then.
func (c *crowd) requireNeverDoubled() {
	c.t.Helper()
	for _, u := range c.users {
		require.Zero(c.t, c.events(u, fakeroom.EventKick), "%s was published twice at a time: %v", u, c.room.History())
	}
}

// requireUntouched fails unless every user is in the session it was in, with
// no hole in its media and its position going on in the API.
func (c *crowd) requireUntouched(before map[string]fakeroom.Session) time.Duration {
	c.t.Helper()
	var gap time.Duration
	for u, old := range before {
		s, _ := c.room.Session(u)
		require.Equal(c.t, old.ID, s.ID, "%s has a new session", u)
		require.True(c.t, s.Live(), "%s: %s %s", u, s.End, s.EndWords)
		gap = max(gap, s.Video.MaxGap, s.Audio.MaxGap)
	}
	require.Less(c.t, gap, time.Second*sized().tolerance+busy(c.stood()))
	c.requireNeverDoubled()
	c.requireProgress()
	return gap
}

// requireProgress waits until the API shows every push publish, at a position
// that rises.
func (c *crowd) requireProgress() {
	c.t.Helper()
	first := map[string]float64{}
	for _, u := range c.users {
		first[u] = positionMs(c.waitStatus(c.ids[u], "publishing"))
	}
	for _, u := range c.users {
		c.waitFor(c.ids[u], "progress", func(p map[string]any) bool {
			return p["status"] == "publishing" && positionMs(p) > first[u]
		})
	}
}

// stopAll stops every push and waits until all are stopped and nobody
// publishes.
func (c *crowd) stopAll() {
	c.t.Helper()
	for _, u := range c.users {
		c.stop(c.ids[u])
	}
	for _, u := range c.users {
		c.waitStatus(c.ids[u], "stopped")
	}
	require.Eventually(c.t, func() bool { return len(c.room.Publishers()) == 0 }, patience, 20*time.Millisecond)
}

// figures are durations to be summed up.
type figures []time.Duration

func (f figures) sorted() figures { return slices.Sorted(slices.Values(f)) }

func (f figures) p50() time.Duration { return f.sorted()[len(f)/2] }

func (f figures) max() time.Duration { return slices.Max(f) }

func (f figures) String() string {
	return fmt.Sprintf("p50 %v, max %v", f.p50().Round(time.Millisecond), f.max().Round(time.Millisecond))
}

// requireWithin fails when the figures exceed the limits of the fault table,
// widened at the small size.
func (f figures) requireWithin(t testing.TB, p50, most time.Duration) {
	t.Helper()
	f.requireAtMost(t, p50*sized().tolerance, most*sized().tolerance)
}

// requireAtMost fails when the figures exceed the limits.
func (f figures) requireAtMost(t testing.TB, p50, most time.Duration) {
	t.Helper()
	require.NotEmpty(t, f)
	require.LessOrEqual(t, f.p50(), p50, "p50 of %v", f)
	require.LessOrEqual(t, f.max(), most, "max of %v", f)
}

// result prints a line of the fault table.
func result(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Logf("RESULT %s: %s", t.Name(), fmt.Sprintf(format, args...))
}

// lastAt is when the last packet of a session came, firstAt the first.
func lastAt(s fakeroom.Session) time.Time {
	if s.Audio.LastAt.After(s.Video.LastAt) {
		return s.Audio.LastAt
	}
	return s.Video.LastAt
}

func firstAt(s fakeroom.Session) time.Time {
	if s.Audio.FirstAt.Before(s.Video.FirstAt) {
		return s.Audio.FirstAt
	}
	return s.Video.FirstAt
}
