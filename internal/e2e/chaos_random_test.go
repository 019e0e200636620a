package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/link"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/stretchr/testify/require"
)

// seedOf is the seed of the random faults: CHAOS_SEED, or one that differs from day to day,
// at full size from run to run.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		return seed
	}
	if !full {
		return uint64(time.Now().Unix() / (24 * 60 * 60)) //nolint:gosec // it is after 1970
	}
	return rand.Uint64N(1_000_000)
}

// hand is a worker with networks of its own to Redis and to the room.
type hand struct {
	*process
	redis, room *link.Link
	name        string // as the store knows it
	gone        bool   // killed or told to end by us
	frozen      bool
}

// chaos breaks things at random.
type chaos struct {
	*crowd
	random *rand.Rand
	hands  []*hand // all there ever were
	rest   []undo  // what is to be undone, in no order
	down   bool    // Redis
	log    []string
	begin  time.Time

	mu     sync.Mutex
	asked  map[string]*asked // by user
	asking sync.WaitGroup
}

// undo ends a fault.
type undo struct {
	at time.Time
	do func()
}

// asked is what somebody asked for and when it was promised.
type asked struct {
	id       string
	created  time.Time // of the answer; zero before
	stopping bool      // a stop is being asked for
	stopped  time.Time // of the answer; zero before
	kicked   bool      // another publisher took the user's place: the push may fail
}

// fault is a kind of trouble: do returns false when it is not possible now.
type fault struct {
	name   string
	weight int
	do     func(*chaos) bool
}

var faults = []fault{
	{"kill -9 a worker", 3, (*chaos).killWorker},
	{"end a worker", 3, (*chaos).endWorker},
	{"freeze a worker", 3, (*chaos).freezeWorker},
	{"cut a worker off Redis", 3, (*chaos).cutWorker},
	{"freeze Redis", 2, (*chaos).freezeRedis},
	{"kill Redis", 1, (*chaos).killRedis},
	{"cut a user's connection", 3, (*chaos).cutUser},
	{"kick a user", 2, (*chaos).kickUser},
	{"kill the API", 1, (*chaos).killAPI},
	{"create", 3, (*chaos).create},
	{"stop", 3, (*chaos).stopOne},
}

func TestChaosRandomFaultsLoseDoubleAndUndoNothing(t *testing.T) {
	beside(t)
	seed := seedOf(t)
	c := newChaos(t, seed)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("CHAOS_SEED=%d; what was done:", seed)
			for _, line := range c.log {
				t.Log(line)
			}
		}
	})
	for range sized().population {
		c.create()
	}
	c.asking.Wait()
	for range sized().faults {
		c.breakSomething()
	}
	c.repair()
	c.asking.Wait()
	c.requireAllPublish()
	<-time.After(afterwards)
	c.requireAllPublish()
	sessions := c.check()
	c.stopEverything()
	result(t, "seed %d: %d faults over %d pushes in %v, %d sessions in the room: one owner at all times, none lost, no stop undone",
		seed, sized().faults, len(c.users), time.Since(c.begin).Round(time.Second), sessions)
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	c := &chaos{
		random: rand.New(rand.NewPCG(seed, seed)), asked: map[string]*asked{}, begin: time.Now(),
		crowd: newCrowd(t, options{workers: -1, redis: redistest.Config{AppendOnly: true}, env: []string{"ROOMCAST_RENEW_CAP=20s"}}),
	}
	for range 3 {
		c.hire()
	}
	return c
}

// hire starts a worker. Redis must be there.
func (c *chaos) hire() {
	c.t.Helper()
	h := &hand{redis: link.New(c.t, c.redis.Addr()), room: link.New(c.t, c.room.Addr())}
	h.process = c.addWorker("ROOMCAST_REDIS_URL=redis://"+h.redis.Addr()+"/0", "ROOMCAST_RTMP_ENDPOINT=rtmp://"+h.room.Addr()+"/push")
	h.name, _ = h.waitLine(c.t, "worker started")["worker"].(string)
	c.hands = append(c.hands, h)
}

// note keeps a line for the report of a failure.
func (c *chaos) note(format string, args ...any) {
	c.log = append(c.log, fmt.Sprintf("%8.3f ", time.Since(c.begin).Seconds())+fmt.Sprintf(format, args...))
}

// breakSomething does one fault and then waits a little.
func (c *chaos) breakSomething() {
	c.t.Helper()
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	for done := false; !done; {
		n := c.random.IntN(total)
		i := slices.IndexFunc(faults, func(f fault) bool { n -= f.weight; return n < 0 })
		done = faults[i].do(c)
		if !done {
			c.pass(50 * time.Millisecond)
		}
	}
	c.pass(c.between(200*time.Millisecond, 1500*time.Millisecond))
}

func (c *chaos) between(low, high time.Duration) time.Duration {
	return low + time.Duration(c.random.Int64N(int64(high-low)))
}

// pass lets time pass and undoes what is due.
func (c *chaos) pass(d time.Duration) {
	end := time.Now().Add(d)
	for {
		slices.SortFunc(c.rest, func(a, b undo) int { return a.at.Compare(b.at) })
		if len(c.rest) == 0 || c.rest[0].at.After(end) {
			<-time.After(time.Until(end))
			return
		}
		next := c.rest[0]
		c.rest = c.rest[1:]
		<-time.After(time.Until(next.at))
		next.do()
	}
}

func (c *chaos) later(d time.Duration, do func()) {
	c.rest = append(c.rest, undo{time.Now().Add(d), do})
}

// repair undoes everything at once.
func (c *chaos) repair() {
	for _, u := range c.rest {
		u.do()
	}
	c.rest = nil
	c.note("all repaired")
	c.hire() // room for a push that wants a worker of its own
}

// victim is a random worker that works, or nil. One whose pushes may die with
// it must not be the second in a row under any of them: three would fail a
// push as poisoned, and rightly so.
func (c *chaos) victim() *hand {
	able := slices.DeleteFunc(slices.Clone(c.hands), func(h *hand) bool {
		return h.gone || h.frozen || h.redis.IsCut() || c.holdsStruck(h)
	})
	if len(able) == 0 {
		return nil
	}
	return able[c.random.IntN(len(able))]
}

// holdsStruck says whether a worker runs a push that has not published for
// long enough to be free of strikes.
func (c *chaos) holdsStruck(h *hand) bool {
	const settled = 13 * time.Second
	for _, a := range c.attempts() {
		newest := !slices.ContainsFunc(c.attempts(), func(b attempt) bool { return b.push == a.push && b.epoch > a.epoch })
		if a.by != h || !newest || a.epoch == 1 {
			continue
		}
		s, ok := c.room.Session(a.user)
		if !ok || !s.Live() || !h.room.Owns(s.Remote) || s.Media() < settled {
			return true
		}
	}
	return false
}

func (c *chaos) killWorker() bool {
	h := c.victim()
	if h == nil || c.down {
		return false
	}
	c.note("kill -9 %s", h.name)
	h.gone = true
	h.kill()
	c.hire()
	return true
}

func (c *chaos) endWorker() bool {
	h := c.victim() // a second fault can make a vanishing of it
	if h == nil || c.down {
		return false
	}
	c.note("SIGTERM %s", h.name)
	h.gone = true
	h.signal(syscall.SIGTERM)
	c.hire()
	return true
}

func (c *chaos) freezeWorker() bool {
	h := c.victim()
	if h == nil {
		return false
	}
	d := c.between(500*time.Millisecond, 8*time.Second)
	c.note("SIGSTOP %s for %v", h.name, d)
	h.frozen = true
	h.signal(syscall.SIGSTOP)
	c.later(d, func() {
		c.note("SIGCONT %s", h.name)
		h.frozen = false
		h.signal(syscall.SIGCONT)
	})
	return true
}

func (c *chaos) cutWorker() bool {
	h := c.victim()
	if h == nil {
		return false
	}
	d := c.between(500*time.Millisecond, 8*time.Second)
	c.note("cut %s off Redis for %v", h.name, d)
	h.redis.Cut()
	c.later(d, func() {
		c.note("heal %s", h.name)
		h.redis.Heal()
	})
	return true
}

func (c *chaos) freezeRedis() bool {
	if c.down {
		return false
	}
	d := c.between(300*time.Millisecond, 6*time.Second)
	c.note("SIGSTOP Redis for %v", d)
	c.down = true
	require.NoError(c.t, c.redis.Stop())
	c.later(d, func() {
		c.note("SIGCONT Redis")
		c.down = false
		require.NoError(c.t, c.redis.Cont())
	})
	return true
}

func (c *chaos) killRedis() bool {
	if c.down {
		return false
	}
	d := c.between(100*time.Millisecond, 4*time.Second)
	c.note("kill -9 Redis for %v", d)
	c.down = true
	c.redis.Kill()
	c.later(d, func() {
		c.note("restart Redis")
		c.down = false
		require.NoError(c.t, c.redis.Restart())
	})
	return true
}

func (c *chaos) cutUser() bool {
	u := c.users[c.random.IntN(len(c.users))]
	c.note("cut %s: %d", u, c.room.Cut(u))
	return true
}

func (c *chaos) kickUser() bool {
	u := c.users[c.random.IntN(len(c.users))]
	n := c.room.Kick(u)
	c.mu.Lock()
	c.asked[u].kicked = c.asked[u].kicked || n > 0
	c.mu.Unlock()
	c.note("kick %s: %d", u, n)
	return true
}

func (c *chaos) killAPI() bool {
	if c.down {
		return false
	}
	c.note("kill -9 and restart the API")
	c.api.kill()
	c.startAPI()
	return true
}

// create asks for a push until the API promises it.
func (c *chaos) create() bool {
	user := fmt.Sprintf("u%d", len(c.users))
	c.users = append(c.users, user)
	w := &asked{}
	c.mu.Lock()
	c.asked[user] = w
	c.mu.Unlock()
	c.note("create %s", user)
	body := c.request(c.files.URL+"/a", "room_"+user, user, nil)
	c.asking.Go(func() {
		a, at := c.insist(call{method: http.MethodPost, path: "/v1/pushes", body: body, key: user})
		c.mu.Lock()
		defer c.mu.Unlock()
		w.id, _ = a.body["id"].(string)
		w.created = at
	})
	return true
}

// stopOne stops a random push until the API promises it.
func (c *chaos) stopOne() bool {
	var user string
	var w *asked
	c.mu.Lock()
	running := 0
	for u, one := range c.asked {
		if one.id != "" && !one.stopping {
			running++
			if user == "" || u < user { // not by the map's order
				user, w = u, one
			}
		}
	}
	if running <= sized().population/2 {
		c.mu.Unlock()
		return false
	}
	w.stopping = true
	c.mu.Unlock()
	c.note("stop %s", user)
	c.asking.Go(func() {
		_, at := c.insist(call{method: http.MethodDelete, path: "/v1/pushes/" + w.id})
		c.mu.Lock()
		defer c.mu.Unlock()
		w.stopped = at
	})
	return true
}

// insist calls until the answer is 202, for two minutes.
func (c *chaos) insist(one call) (answer, time.Time) {
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit); {
		a, err := c.ask(one)
		if err == nil && a.code == http.StatusAccepted {
			return a, time.Now()
		}
		<-time.After(100 * time.Millisecond)
	}
	return answer{}, time.Time{}
}
