package tasks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// line is a queue between workers, as asynq is one: what is refused comes again after a
// second and a bit, at the end, to whoever asks.
type line struct {
	mu         sync.Mutex
	goesOn, at []Task
}

func (l *line) Enqueue(_ context.Context, t Task, resume bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.GoesOn = resume; resume {
		l.goesOn = append(l.goesOn, t)
	} else {
		l.at = append(l.at, t)
	}
	return nil
}

func (l *line) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.at)
}

func (l *line) take(takes func(goesOn bool) bool) (Task, bool) {
	for _, q := range []*[]Task{&l.goesOn, &l.at} {
		if !takes(q == &l.goesOn) {
			continue
		}
		l.mu.Lock()
		if len(*q) > 0 {
			t := (*q)[0]
			*q = (*q)[1:]
			l.mu.Unlock()
			return t, true
		}
		l.mu.Unlock()
	}
	return Task{}, false
}

// serve brings w what it takes, until ctx ends.
func (l *line) serve(ctx context.Context, w *Worker) {
	var handling sync.WaitGroup
	defer handling.Wait()
	for ctx.Err() == nil {
		t, found := l.take(w.Takes)
		if !found {
			pause(ctx, 100*time.Millisecond)
			continue
		}
		handling.Go(func() {
			if err := w.Handle(ctx, t); err != nil {
				pause(ctx, 1250*time.Millisecond)
				_ = l.Enqueue(ctx, t, t.GoesOn)
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
}

func (c *crew) Play(ctx context.Context, job media.Job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	room := job.Destination.RoomID
	lasts := longestPlay/2 + longestPlay/20*time.Duration(room[len(room)-1]%10)
	if room != endless {
		defer time.AfterFunc(lasts, func() { cancel(nil) }).Stop()
	}
	err := c.recoding.Play(ctx, job)
	if errors.Is(err, context.Canceled) {
		return nil // it is over
	}
	return err
}

func newCrew(units map[string]int, names ...string) *crew {
	c := &crew{world: &world{store: newFakeStore()}, workers: map[string]*Worker{}, kill: map[string]context.CancelFunc{}, recoding: newRecoding(units)}
	for _, name := range names {
		cfg := c.config(name, c)
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
		w.carried.mu.Lock()
		n += min(len(w.carried.kept), 1)
		w.carried.mu.Unlock()
	}
	return n
}

func TestAReencodePlaysThoughCopiesComeForEver(t *testing.T) {
	for name, workers := range map[string][]string{"one worker": {"w1"}, "several": {"w1", "w2", "w3"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrew(map[string]int{"large": 6}, workers...)
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
				c := newCrew(map[string]int{"large": units}, "w1", "w2", "w3")
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
		c := newCrew(map[string]int{"older": 8, "younger": 4}, "w1")
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
		c := newCrew(map[string]int{"large": 9}, "w1")
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
		large := of("large")
		large.Cost, large.StartedAt = 200*LeastCost, time.Now()
		w := newCounted(newRecoding(nil), of("copy"), large)
		defer w.close()
		claims := &fickleClaims{fakeStore: w.store}
		w.worker.Store = claims
		w.handle(Task{ID: "copy", Epoch: 1})
		synctest.Wait()
		require.ErrorIs(t, <-w.handle(Task{ID: "large", Epoch: 1, GoesOn: true}), ErrKept)
		claims.away.Store(true)
		time.Sleep(5 * keptEvery)
		require.False(t, w.worker.Takes(false), "what has been left free for it since is not for copies")
		claims.away.Store(false)
		FakeStore{w.store}.Stop("large")
		time.Sleep(2 * keptEvery)
		require.True(t, w.worker.Takes(false))
	})
}

func TestAWorkerThatGoesAwayGivesBackWhatItTookItselfAndTakesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waits := func(id string) Push {
			p := of(id)
			p.Cost, p.StartedAt = 100*LeastCost, time.Now()
			return p
		}
		r := newRecoding(map[string]int{"large": 99, "next": 99})
		w := newCounted(r, of("copy"), waits("large"), waits("next"))
		defer w.close()
		w.handle(Task{ID: "copy", Epoch: 1})
		synctest.Wait()
		for _, id := range []string{"large", "next"} {
			require.ErrorIs(t, <-w.handle(Task{ID: id, Epoch: 1, GoesOn: true}), ErrKept)
		}
		w.store.set(func(s *fakeStore) { s.verdicts["copy"] = Stop })
		time.Sleep(3 * keptEvery)
		first, other := "large", "next"
		if r.opened(first) == 0 {
			first, other = other, first
		}
		require.Equal(t, 1, r.opened(first), "no task of it has come again")
		w.worker.Drain(context.Background())
		require.EqualValues(t, 2, FakeStore{w.store}.Get(first).Epoch, "it is given back")
		time.Sleep(3 * keptEvery)
		require.Zero(t, r.opened(other))
		require.Zero(t, w.worker.Running())
	})
}

func TestWhenAWorkerDiesThatKeepsItsCoresAnotherOneDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(map[string]int{"large": 9}, "w1", "w2")
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
		c := newCrew(map[string]int{"large": 40}, "w1")
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
		c := newCrew(map[string]int{"new": 8, "old": 8}, "w1")
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
