package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeSweeps is a SweepStore and Inspector whose answers are set by hand.
type fakeSweeps struct {
	expired  []Expired
	err      error
	delay    time.Duration // of Expired
	taken    []string
	become   Taken
	deferred int
	waits    bool
}

func (s *fakeSweeps) Expired(_ context.Context, limit int) ([]Expired, error) {
	time.Sleep(s.delay)
	return s.expired[:min(limit, len(s.expired))], s.err
}

func (s *fakeSweeps) Takeover(_ context.Context, e Expired) (Taken, error) {
	s.taken = append(s.taken, e.ID)
	return s.become, nil
}

func (s *fakeSweeps) Defer(_ context.Context, _ Expired, _ time.Duration) error {
	s.deferred++
	return nil
}

func (s *fakeSweeps) Waits(context.Context, Task) (bool, error) { return s.waits, nil }

// newSweep returns a sweeper that finds push "a" expired in this state.
func newSweep(state State) (*fakeSweeps, *fakeQueue, *Sweeper) {
	push := Push{ID: "a", Epoch: 1, State: state, Desired: DesiredRun, Worker: "w1"}
	store := &fakeSweeps{become: Taken{State: Queued, Next: 2}, expired: []Expired{{ID: "a", Expiry: 100, Push: push}}}
	queue := &fakeQueue{}
	return store, queue, &Sweeper{Store: store, Queue: queue, Inspector: store, Lease: 3 * time.Second, Log: slog.New(slog.DiscardHandler)}
}

func TestASweeperTakesOverAfterTwoLooksAtTheSameExpiry(t *testing.T) {
	store, queue, s := newSweep(Publishing)
	s.sweep(t.Context())
	require.Empty(t, store.taken)
	s.sweep(t.Context())
	require.Equal(t, []string{"a"}, store.taken)
	require.Equal(t, []Task{{ID: "a", Epoch: 2}}, queue.rung)
	require.Equal(t, 1, queue.front)
}

func TestAllPushesOfAFullWorkerAreTakenOverInOneLook(t *testing.T) {
	store, _, s := newSweep(Publishing)
	for len(store.expired) < 1000 {
		next := store.expired[0]
		next.ID = fmt.Sprint(len(store.expired))
		store.expired = append(store.expired, next)
	}
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Len(t, store.taken, 1000)
}

// firstTakeover is a SweepStore that tells of the first takeover.
type firstTakeover struct {
	*fakeSweeps
	took chan struct{}
}

func (f firstTakeover) Takeover(context.Context, Expired) (Taken, error) {
	close(f.took)
	return Taken{}, ErrEnded
}

func TestTheSecondLookAtAVanishedWorkerFollowsSoon(t *testing.T) {
	for state, want := range map[State]time.Duration{Publishing: lookAgain, Queued: sweepEvery} {
		synctest.Test(t, func(t *testing.T) {
			store, _, s := newSweep(state)
			first := firstTakeover{store, make(chan struct{})}
			s.Store = first
			begin := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			go s.Run(ctx)
			<-first.took
			require.Equal(t, 2*s.Lease+want, time.Since(begin), "after it has held off: %s", state)
			cancel()
			synctest.Wait()
		})
	}
}

func TestARenewBetweenTheLooksStartsThemAnew(t *testing.T) {
	store, _, s := newSweep(Publishing)
	s.sweep(t.Context())
	store.expired[0].Expiry = 200
	s.sweep(t.Context())
	require.Empty(t, store.taken)
}

func TestNothingIsTakenOverForTwoLeasesAfterTrouble(t *testing.T) {
	for name, trouble := range map[string]func(store *fakeSweeps, s *Sweeper){
		"an error of the store": func(store *fakeSweeps, s *Sweeper) {
			store.err = errors.New("away")
			s.sweep(context.Background())
			store.err = nil
		},
		"a store that stands still": func(store *fakeSweeps, s *Sweeper) {
			store.delay = 1500 * time.Millisecond
			s.sweep(context.Background())
			store.delay = 0
		},
		"a stall of the process": func(_ *fakeSweeps, s *Sweeper) {
			time.Sleep(10 * time.Second)
			s.sweep(context.Background())
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, _, s := newSweep(Publishing)
				s.sweep(t.Context())
				trouble(store, s)
				begin := time.Now()
				for len(store.taken) == 0 {
					time.Sleep(sweepEvery)
					s.sweep(t.Context())
				}
				require.InDelta(t, 6.5, time.Since(begin).Seconds(), 0.6)
			})
		})
	}
}

func TestWhatATakeoverHasEndedIsNotRung(t *testing.T) {
	for _, end := range []State{Stopped, Failed} {
		store, queue, s := newSweep(Stopping)
		store.become = Taken{State: end}
		s.sweep(t.Context())
		s.sweep(t.Context())
		require.Equal(t, []string{"a"}, store.taken)
		require.Empty(t, queue.rung)
	}
}

func TestAQueuedPushWhoseTaskWaitsIsLookedAtLater(t *testing.T) {
	store, _, s := newSweep(Queued)
	store.waits = true
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Empty(t, store.taken)
	require.Equal(t, 1, store.deferred)
}

func TestADamagedPushIsEndedThoughItsTaskWaitsAndLoggedOnce(t *testing.T) {
	store, queue, s := newSweep(Queued)
	var text bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&text, nil))
	store.waits, store.become = true, Taken{State: Failed}
	store.expired[0].Damage = errors.New("field epoch: not a number")
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Equal(t, []string{"a"}, store.taken)
	require.Empty(t, queue.rung)
	store.expired = nil
	s.sweep(t.Context())
	require.Equal(t, 1, strings.Count(text.String(), "field epoch"))
}

func TestAQueuedPushWhoseTaskIsLostGetsANewOne(t *testing.T) {
	store, queue, s := newSweep(Queued)
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Equal(t, []string{"a"}, store.taken)
	require.Len(t, queue.rung, 1)
}

func TestANewPushThatWaitsForCoresGetsItsNextTaskBehindThoseThatMustGoOn(t *testing.T) {
	for _, started := range []time.Time{{}, time.Now()} {
		store, queue, s := newSweep(Queued)
		p := &store.expired[0].Push
		p.Waiting, p.StartedAt, p.Worker = WaitingForCapacity, started, ""
		for range 3 {
			s.sweep(t.Context())
		}
		require.Equal(t, []Task{{ID: "a", Epoch: 2}}, queue.rung)
		require.Equal(t, !started.IsZero(), queue.front == 1, "those keep others from the cores")
	}
}

func TestATaskThatAWorkerIsRefusingJustNowIsNotLost(t *testing.T) {
	for why, taken := range map[Waiting][]string{WaitingForCapacity: nil, WaitingForTurn: {"a"}} {
		store, _, s := newSweep(Queued)
		store.expired[0].Push.Waiting, store.expired[0].Push.Worker = why, ""
		s.sweep(t.Context())
		s.sweep(t.Context())
		require.Equal(t, taken, store.taken)
		require.Zero(t, store.deferred)
		store.waits = true
		s.sweep(t.Context())
		require.Equal(t, taken, store.taken)
		store.expired[0].Expiry++ // it was deferred
		store.waits = false
		s.sweep(t.Context())
		s.sweep(t.Context())
		s.sweep(t.Context())
		require.Len(t, store.taken, len(taken)+1)
	}
}
