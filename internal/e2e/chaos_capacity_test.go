package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/tasks/queue"
)

// load is how much of a worker the test of its capacity takes.
type load struct {
	cores  string // of the worker; room and file server share the machine
	clip   mediatest.Spec
	plays  time.Duration // all that was accepted, before it is looked at
	strict bool          // lateness is looked at
}

func loadSized() load {
	if full {
		return load{cores: "1", clip: mediatest.Spec{Seconds: 150, Width: 1280, Height: 720, FPS: 30, GOPSeconds: 2}, plays: time.Minute, strict: true}
	}
	return load{cores: "20", clip: mediatest.Spec{Seconds: 300, Width: 320, Height: 180, FPS: 15, GOPSeconds: 1}, plays: 3 * time.Second}
}

// capacity returns what the only worker tells of what it can carry.
func (s *stack) capacity() map[string]any {
	s.t.Helper()
	var told map[string]any
	require.Eventually(s.t, func() bool {
		list, _ := s.do(http.MethodGet, "/v1/workers", nil).body["workers"].([]any)
		if len(list) == 1 {
			one, _ := list[0].(map[string]any)
			told, _ = one["capacity"].(map[string]any)
		}
		return told != nil
	}, patience, 50*time.Millisecond)
	return told
}

// number is a number in an answer.
func number(of map[string]any, name string) float64 {
	n, _ := of[name].(float64)
	return n
}

// standing returns the users whose pushes play, and those whose pushes wait for
// cores, once all do one or the other and a second more.
func (c *crowd) standing() (playing, waiting []string) {
	c.t.Helper()
	look := func() bool {
		playing, waiting = nil, nil
		for _, u := range c.users {
			switch p := c.get(c.ids[u]); {
			case p["status"] == "publishing":
				playing = append(playing, u)
			case p["status"] == "queued" && codeOf(p) == "no_capacity":
				waiting = append(waiting, u)
			}
		}
		return len(playing)+len(waiting) == len(c.users)
	}
	require.Eventually(c.t, look, patience, 500*time.Millisecond, "all play or wait: %v play, %v wait", &playing, &waiting)
	return playing, waiting
}

// slipped returns by how much the users' pushes have slipped, in ms all together.
func (c *crowd) slipped(users []string) float64 {
	c.t.Helper()
	sum := 0.0
	for _, u := range users {
		progress, _ := c.get(c.ids[u])["progress"].(map[string]any)
		sum += number(progress, "slippedMs")
	}
	return sum
}

// Twice of what a worker can carry is asked for, copies and re-encodes mixed. It
// takes what it can play in time, and the rest says why it waits.
func TestChaosAWorkerTakesWhatItCanPlayInTimeAndTheRestWaits(t *testing.T) {
	beside(t)
	l := loadSized()
	c := newCrowd(t, options{env: []string{"ROOMCAST_WORKER_CORES=" + l.cores, "ROOMCAST_WORKER_SLOTS=1000"}})
	if !full { // of so many cores that it is never busy, whatever other packages do
		c.countBy(0.4)
	}
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, l.clip)})
	empty := c.capacity()
	room, _ := empty["freePushes"].(map[string]any)
	copies := int(number(room, "copied"))
	require.Positive(t, copies)
	c.offer(files.URL+"/a", copies)
	playing, waiting := c.standing()
	begin := c.slipped(playing) // as all were started at once
	<-time.After(l.plays)
	slipped := c.slipped(playing)
	full := c.capacity()
	require.LessOrEqual(t, number(full, "usedCores"), number(full, "cores")+0.01)
	require.NotEmpty(t, playing)
	require.NotEmpty(t, waiting)
	worst := 0.0
	for _, u := range playing {
		p := c.get(c.ids[u])
		progress, _ := p["progress"].(map[string]any)
		worst = max(worst, number(progress, "latenessMsP99"))
	}
	result(t, "%d of %d pushes play on %.2f of %.2f cores, lateness p99 at most %.0f ms, slipped %.0f ms at the begin and %.0f since; %d wait with no_capacity",
		len(playing), len(c.users), number(full, "usedCores"), number(full, "cores"), worst, begin, slipped-begin, len(waiting))
	if l.strict {
		require.LessOrEqual(t, worst, 100.0)
		require.Zero(t, slipped)
	}

	// Those that were in their rooms are taken before those that never were.
	c.workers[0].kill()
	for _, u := range playing {
		c.waitStatus(c.ids[u], "queued")
	}
	c.addWorker()
	for _, u := range playing {
		c.waitStatus(c.ids[u], "publishing")
	}
	for _, u := range playing {
		c.stop(c.ids[u])
	}
	freed := time.Now()
	require.Eventually(t, func() bool { // copies may go before a re-encode
		return slices.ContainsFunc(waiting, func(u string) bool { return c.get(c.ids[u])["status"] == "publishing" })
	}, patience, 50*time.Millisecond)
	result(t, "one that waited is taken %v after there is room", time.Since(freed).Round(10*time.Millisecond))
}

// A push that cores were kept for is a task like any other: asynq shows it as active, and
// a cancel there stops it.
func TestChaosWhatCoresWereKeptForIsAnActiveTaskThatACancelStops(t *testing.T) {
	beside(t)
	c := newCrowd(t, options{env: []string{"ROOMCAST_WORKER_CORES=20", "ROOMCAST_WORKER_SLOTS=1000"}})
	c.countBy(0.2) // 11 copies, or the large one and two copies; of so many cores that it is never busy
	files := mediatest.Serve(t, map[string]string{
		"small": mediatest.Clip(t, mediatest.Spec{Seconds: 300, Width: 320, Height: 180, FPS: 5, GOPSeconds: 1, AudioCodec: mediatest.None}),
		"large": mediatest.Clip(t, mediatest.Spec{Seconds: 60, Width: 320, Height: 180, FPS: 30, GOPSeconds: 2}),
	})
	free := func() int {
		room, _ := c.capacity()["freePushes"].(map[string]any)
		return int(number(room, "copied"))
	}
	for i := range free() - 1 { // one more copy would fit
		c.add(fmt.Sprintf("copied%d", i), files.URL+"/small")
	}
	for _, u := range c.users {
		c.waitStatus(c.ids[u], "publishing")
	}
	id := c.push(files.URL+"/large", "room_large", "large", fields{"transcode": "always"})
	require.Eventually(t, func() bool { return codeOf(c.get(id)) == "no_capacity" && free() > 0 }, patience, 100*time.Millisecond)
	require.Eventually(t, func() bool { return free() == 0 }, patience, 100*time.Millisecond, "the worker keeps its cores")
	for _, u := range c.users {
		c.stop(c.ids[u])
	}
	c.waitStatus(id, "publishing")
	inspector := asynq.NewInspectorFromRedisClient(c.redis.Client(t))
	running, err := inspector.ListActiveTasks(queue.QueuePush)
	require.NoError(t, err)
	running = slices.DeleteFunc(running, func(i *asynq.TaskInfo) bool { return !strings.HasPrefix(i.ID, id+".") }) // copies are ending
	require.Len(t, running, 1)
	require.NoError(t, inspector.CancelProcessing(running[0].ID))
	c.waitStatus(id, "stopped")
}

// offer asks for so many copies, which alone fill the worker, and as much of
// re-encodes.
func (c *crowd) offer(src string, copies int) {
	c.t.Helper()
	each := max(copies/6, 2) // a re-encode costs at least as much as some copies
	for i := range copies {
		if i%each == 0 {
			for n := range 2 {
				user := fmt.Sprintf("recoded%d_%d", i, n)
				c.ids[user] = c.push(src, "room_"+user, user, fields{"transcode": "always"})
				c.users = append(c.users, user)
			}
		}
		c.add(fmt.Sprintf("copied%d", i), src)
	}
}
