package tasks

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeSweeps is a SweepStore whose expired pushes are set by hand.
type fakeSweeps struct {
	expired  []Expired
	err      error
	next     int64
	taken    []string
	deferred []string
}

func (s *fakeSweeps) Expired(context.Context, int) ([]Expired, error) { return s.expired, s.err }

func (s *fakeSweeps) Takeover(_ context.Context, e Expired) (int64, error) {
	s.taken = append(s.taken, e.ID)
	return s.next, nil
}

func (s *fakeSweeps) Defer(_ context.Context, e Expired, _ time.Duration) error {
	s.deferred = append(s.deferred, e.ID)
	return nil
}

func newSweep(next int64, state State) (*fakeSweeps, *fakeQueue, *Sweeper) {
	store := &fakeSweeps{next: next, expired: []Expired{{ID: "a", Expiry: 100, Push: Push{ID: "a", Epoch: 1, State: state, Worker: "w1"}}}}
	queue := &fakeQueue{}
	return store, queue, &Sweeper{Store: store, Queue: queue, Log: slog.New(slog.DiscardHandler)}
}

func TestASweeperTakesOverAfterTwoLooksAtTheSameExpiry(t *testing.T) {
	store, queue, s := newSweep(2, Publishing)
	s.sweep(t.Context())
	require.Empty(t, store.taken)
	s.sweep(t.Context())
	require.Equal(t, []string{"a"}, store.taken)
	require.Equal(t, []Task{{ID: "a", Epoch: 2}}, queue.rung)
	require.Equal(t, 1, queue.front)
}

func TestARenewBetweenTheLooksStartsThemAnew(t *testing.T) {
	store, _, s := newSweep(2, Publishing)
	s.sweep(t.Context())
	store.expired[0].Expiry = 200
	s.sweep(t.Context())
	require.Empty(t, store.taken)
}

func TestAnErrorOfTheStoreStartsTheLooksAnew(t *testing.T) {
	store, _, s := newSweep(2, Publishing)
	s.sweep(t.Context())
	store.err = errors.New("away")
	s.sweep(t.Context())
	store.err = nil
	s.sweep(t.Context())
	require.Empty(t, store.taken)
}

func TestAStopWithoutItsWorkerRingsNobody(t *testing.T) {
	store, queue, s := newSweep(0, Stopping)
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Equal(t, []string{"a"}, store.taken)
	require.Empty(t, queue.rung)
}

func TestAQueuedPushIsLookedAtLater(t *testing.T) {
	store, _, s := newSweep(2, Queued)
	s.sweep(t.Context())
	s.sweep(t.Context())
	require.Empty(t, store.taken)
	require.Equal(t, []string{"a"}, store.deferred)
}
