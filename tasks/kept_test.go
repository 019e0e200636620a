package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// line is a queue between workers, as asynq is one: what is refused comes again after a
// second and a bit, to whoever asks; what a worker wants it gets before.
type line struct {
	mu         sync.Mutex
	goesOn, at []waiting
}

// waiting is a task in a line; retry is when it comes again.
type waiting struct {
	Task
	retry time.Time
}

func (l *line) Enqueue(_ context.Context, t Task, resume bool) error {
	l.put(waiting{Task: t}, resume)
	return nil
}

func (l *line) put(t waiting, resume bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.GoesOn = resume
	q := l.of(resume)
	*q = append(*q, t)
}

func (l *line) of(resume bool) *[]waiting {
	if resume {
		return &l.goesOn
	}
	return &l.at
}

// next takes the first task that is one of these.
func (l *line) next(resume bool, is func(waiting) bool) (Task, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.of(resume)
	i := slices.IndexFunc(*q, is)
	if i < 0 {
		return Task{}, false
	}
	t := (*q)[i].Task
	*q = slices.Delete(*q, i, i+1)
	return t, true
}

func (l *line) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.at)
}

func (l *line) take(w *Worker) (Task, bool) {
	for _, resume := range []bool{true, false} {
		for wanted, any := w.Wanted(resume); any; wanted, any = w.Wanted(resume) {
			if t, found := l.next(resume, func(t waiting) bool { return t.ID == wanted.ID && t.Epoch == wanted.Epoch }); found {
				return t, true
			}
			w.Missing(wanted)
		}
		if !w.Takes(resume) {
			continue
		}
		if t, found := l.next(resume, func(t waiting) bool { return !time.Now().Before(t.retry) }); found {
			return t, true
		}
	}
	return Task{}, false
}

// serve brings w what it takes, until ctx ends.
func (l *line) serve(ctx context.Context, w *Worker) {
	var handling sync.WaitGroup
	defer handling.Wait()
	for ctx.Err() == nil {
		t, found := l.take(w)
		if !found {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		handling.Go(func() {
			if err := w.Handle(ctx, t); err != nil {
				l.put(waiting{t, time.Now().Add(1250 * time.Millisecond)}, t.GoesOn)
			}
		})
		pause(ctx, 10*time.Millisecond)
	}
}

const (
	longestPlay = 20 * time.Second
	endless     = "endless" // plays for ever
)

// crew is workers that carry ten copies each, with one queue. A push is re-encoded for
// the units of its room, and plays for half of longestPlay and a part of the other half.
type crew struct {
	*world
	line    line
	workers map[string]*Worker
	kill    map[string]context.CancelFunc
	*recoding
	prepares map[string]int // by room
}

func (c *crew) Play(ctx context.Context, job media.Job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room := job.Destination.RoomID
	lasts := longestPlay/2 + longestPlay/20*time.Duration(room[len(room)-1]%10)
	if job.TakeOver != nil {
		c.mu.Lock()
		c.prepares[room]++
		c.mu.Unlock()
		if _, err := job.TakeOver(ctx); err != nil {
			return err
		}
	}
	if room != endless {
		defer time.AfterFunc(lasts, func() { cancel(nil) }).Stop()
	}
	err := c.recoding.Play(ctx, job)
	if errors.Is(err, context.Canceled) {
		return nil // it is over
	}
	return err
}

func newCrew(t *testing.T, units map[string]int, names ...string) *crew {
	oneThread(t)
	c := &crew{world: &world{store: newFakeStore()}, workers: map[string]*Worker{}, kill: map[string]context.CancelFunc{}, recoding: newRecoding(units), prepares: map[string]int{}}
	for _, name := range names {
		cfg := c.config(name, c)
		cfg.Handovers = c.store
		cfg.Slots, cfg.Capacity, cfg.Queue = 50, Capacity{Cores: 1 / fullShare, Speed: 10 * LeastCost}, &c.line
		w := NewWorker(cfg)
		ctx, kill := context.WithCancel(context.Background())
		c.workers[name], c.kill[name] = w, kill
		c.ran.Go(func() { w.Run(ctx) })
		c.ran.Go(func() { c.line.serve(ctx, w) })
	}
	synctest.Wait()
	return c
}

// keepFor lets a copy play that never ends and then pushes wait that cores are kept for.
func (c *crew) keepFor(t *testing.T, ids ...string) {
	t.Helper()
	c.start(endless, false)
	c.playsWithin(t, endless, time.Second)
	for _, id := range ids {
		c.start(id, true)
	}
	time.Sleep(time.Second)
}

func (c *crew) close() {
	for name, w := range c.workers {
		c.kill[name]()
		w.Close()
	}
	c.ran.Wait()
}

// start starts a push whose source was looked at before.
func (c *crew) start(id string, goesOn bool) {
	p := of(id)
	p.Cost, p.CreatedAt = Cost(c.units[id]+1)*LeastCost, time.Now()
	if goesOn {
		p.StartedAt = time.Now()
	}
	c.store.set(func(s *fakeStore) { s.pushes[id] = p })
	_ = c.line.Enqueue(context.Background(), TaskOf(p), goesOn)
}

// flood starts copies for ever: some wait at any time.
func (c *crew) flood() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.ran.Go(func() {
		for n := 0; ctx.Err() == nil; pause(ctx, 100*time.Millisecond) {
			for c.line.waiting() < 5 {
				c.start(fmt.Sprint("copy", n), false)
				n++
			}
		}
	})
	return cancel
}

// playsWithin returns how long it took until a push was in its room.
func (c *crew) playsWithin(t *testing.T, id string, limit time.Duration) time.Duration {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		after := time.Since(begin)
		if c.opened(id) > 0 {
			return after
		}
		require.Less(t, after, limit, "%s waits", id)
	}
}

// prepared says how often a source was opened to be handed over.
func (c *crew) prepared(room string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.prepares[room]
}

// forget lets a room be opened for the first time again.
func (c *crew) forget(room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.opens, room)
}

func (c *crew) keeper(id string) string {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	if k := c.store.keepers[id]; time.Now().Before(k.until) {
		return k.worker
	}
	return ""
}

// keeping returns how many workers take nothing new for the sake of another push.
func (c *crew) keeping() (n int) {
	for _, w := range c.workers {
		n += min(w.carried.keepsFor(), 1)
	}
	return n
}

// keepsFor returns for how many pushes the cores are kept.
func (c *carried) keepsFor() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.kept)
}

func TestAReencodePlaysThoughCopiesComeForEver(t *testing.T) {
	for name, workers := range map[string][]string{"one worker": {"w1"}, "several": {"w1", "w2", "w3"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, map[string]int{"large": 6}, workers...)
				defer c.close()
				defer c.flood()()
				time.Sleep(15 * time.Second)
				c.start("large", false)
				c.playsWithin(t, "large", KeepAfter+longestPlay+15*time.Second)
				time.Sleep(2 * keptEvery)
				require.Zero(t, c.keeping())
			})
		})
	}
}

func TestOneWorkerKeepsItsCoresForAPushAndTheOthersGoOn(t *testing.T) {
	for name, units := range map[string]int{"as large as a worker": 9, "larger than every worker": 40} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(t, map[string]int{"large": units}, "w1", "w2", "w3")
				defer c.close()
				defer c.flood()()
				time.Sleep(15 * time.Second)
				c.start("large", true) // it was in its room
				for begin := time.Now(); c.opened("large") == 0; time.Sleep(100 * time.Millisecond) {
					require.Less(t, time.Since(begin), longestPlay+15*time.Second)
					require.LessOrEqual(t, c.keeping(), 2, "one more for as long as it takes to hear that another keeps")
				}
				time.Sleep(2 * keptEvery)
				if p := (FakeStore{c.store}).Get("large"); units > 9 {
					require.Equal(t, string(media.WarnTooSlow), p.Warnings[0].Code)
				}
			})
		})
	}
}

func TestOfTwoReencodesTheOlderOneGetsTheCoresFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"older": 8, "younger": 4}, "w1")
		defer c.close()
		defer c.flood()()
		time.Sleep(15 * time.Second)
		c.start("older", false)
		time.Sleep(3 * time.Second)
		c.start("younger", false)
		c.playsWithin(t, "older", KeepAfter+longestPlay+15*time.Second)
		require.Zero(t, c.opened("younger"), "it needs less, and came later")
		c.playsWithin(t, "younger", KeepAfter+longestPlay+15*time.Second)
	})
}

func TestAPushThatIsStoppedWhileItWaitsKeepsNoCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 9}, "w1")
		defer c.close()
		for i := range 9 {
			c.start(fmt.Sprint("copy", i), false)
		}
		time.Sleep(time.Second)
		c.start("large", true)
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, c.keeping())
		FakeStore{c.store}.Stop("large")
		time.Sleep(2 * keptEvery)
		require.Zero(t, c.keeping())
		require.Equal(t, Stopped, FakeStore{c.store}.Get("large").State)
	})
}

// fickleClaims is a store that does not answer claims while it is away.
type fickleClaims struct {
	*fakeStore
	away atomic.Bool
}

func (s *fickleClaims) Claims(ctx context.Context, claims []Claim, keys ...string) ([]ClaimAnswer, error) {
	if s.away.Load() {
		return nil, errAway
	}
	return s.fakeStore.Claims(ctx, claims, keys...)
}

func TestCoresAreKeptOnWhileRedisIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 40}, "w1")
		defer c.close()
		w := c.workers["w1"]
		claims := &fickleClaims{fakeStore: c.store}
		w.Store = claims
		c.keepFor(t, "large")
		require.Equal(t, 1, c.keeping())
		claims.away.Store(true)
		time.Sleep(5 * keptEvery)
		require.False(t, w.Takes(false), "what has been left free for it since is not for copies")
		claims.away.Store(false)
		FakeStore{c.store}.Stop("large")
		time.Sleep(2 * keptEvery)
		require.True(t, w.Takes(false))
	})
}

func TestAWorkerThatGoesAwayTakesNothingMoreThatItKeptItsCoresFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"first": 9, "next": 9}, "w1")
		defer c.close()
		c.keepFor(t, "first", "next")
		require.Equal(t, 2, c.workers["w1"].carried.keepsFor())
		c.store.set(func(s *fakeStore) { s.verdicts[endless] = Stop })
		first, next := "first", "next"
		for c.opened(first)+c.opened(next) == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		if c.opened(first) == 0 {
			first, next = next, first
		}
		c.workers["w1"].Drain(context.Background())
		require.EqualValues(t, 2, FakeStore{c.store}.Get(first).Epoch, "it is given back")
		time.Sleep(3 * keptEvery)
		require.Zero(t, c.opened(next))
		require.Zero(t, c.workers["w1"].Running())
	})
}

func TestNoCoresAreKeptForAPushThatRunsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 9}, "w1")
		defer c.close()
		c.keepFor(t, "large")
		require.Equal(t, 1, c.keeping())
		_, found := c.line.next(true, func(waiting) bool { return true }) // another has taken it
		require.True(t, found)
		time.Sleep(keptEvery)
		require.Equal(t, 1, c.keeping(), "it may be refused there just now")
		time.Sleep(keptEvery)
		require.Zero(t, c.keeping())
	})
}

func TestOneWorkerPreparesAHandoverThatCoresAreKeptFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 9}, "w1", "w2", "w3")
		defer c.close()
		for i := range 3 { // one for each
			c.start(fmt.Sprint("copy", i), false)
			time.Sleep(time.Second)
		}
		p := of("large")
		p.Cost, p.StartedAt, p.State, p.Worker = 10*LeastCost, time.Now(), Publishing, "w0"
		c.store.set(func(s *fakeStore) { s.pushes["large"], s.announced["large"] = p, 2 })
		p.Epoch = 2
		require.NoError(t, c.line.Enqueue(t.Context(), TaskOf(p), true))
		for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
			require.Less(t, time.Since(begin), longestPlay+15*time.Second)
			if c.prepared("large") > 0 {
				break
			}
		}
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, c.prepared("large"))
		c.store.set(func(s *fakeStore) {
			s.pushes["large"] = Push{ID: "large", State: Queued, Desired: DesiredRun, Epoch: 2, Spec: p.Spec}
		})
		c.playsWithin(t, "large", time.Second)
	})
}

func TestATaskThatIsNotMissingAnyMoreKeepsItsCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 9}, "w1")
		defer c.close()
		c.keepFor(t, "large")
		for range 5 { // refused elsewhere each time that this worker asks
			elsewhere, found := c.line.next(true, func(waiting) bool { return true })
			require.True(t, found)
			time.Sleep(keptEvery)
			require.Equal(t, 1, c.keeping())
			c.line.put(waiting{Task: elsewhere}, true)
			time.Sleep(keptEvery)
		}
	})
}

func TestWhenAWorkerDiesThatKeepsItsCoresAnotherOneDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 9}, "w1", "w2")
		defer c.close()
		defer c.flood()()
		time.Sleep(15 * time.Second)
		c.start("large", false)
		for c.keeper("large") == "" {
			time.Sleep(100 * time.Millisecond)
		}
		c.kill[c.keeper("large")]()
		c.playsWithin(t, "large", longestPlay+20*time.Second)
	})
}

func TestCopiesComeToAWorkerThatKeepsItsCoresWhileItsPushesNeverEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"large": 40}, "w1")
		defer c.close()
		c.start(endless, false)
		c.playsWithin(t, endless, time.Second)
		c.start("large", false)
		time.Sleep(KeepAfter + 5*time.Second)
		require.Equal(t, 1, c.keeping())
		for range 3 { // five minutes, ten, twenty
			c.start("copy", false)
			require.Greater(t, c.playsWithin(t, "copy", 10*time.Minute), time.Minute)
			c.forget("copy")
			time.Sleep(GiveWayTime + 2*time.Second)
			require.Equal(t, 1, c.keeping())
		}
	})
}

func TestWhatMustGoOnGetsCoresThatAreKeptForANewPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, map[string]int{"new": 8, "old": 8}, "w1")
		defer c.close()
		defer c.flood()()
		time.Sleep(15 * time.Second)
		c.start("new", false)
		for c.keeper("new") == "" {
			time.Sleep(100 * time.Millisecond)
		}
		c.start("old", true)
		c.playsWithin(t, "old", longestPlay+15*time.Second)
		require.Zero(t, c.opened("new"))
		c.playsWithin(t, "new", 2*longestPlay+15*time.Second)
	})
}
