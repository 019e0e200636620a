package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const (
	backlogQueued = 1000
	backlogHeld   = 250
)

// backlog makes queued pushes that were expired long ago and held ones that
// expired after them.
func backlog(t testing.TB, s *store.Store, rdb redisconn.Client) (held map[string]bool) {
	t.Helper()
	held = map[string]bool{}
	for i := range backlogQueued + backlogHeld {
		p := create(t, s, fmt.Sprintf("u%d", i))
		if i >= backlogQueued {
			claim(t, s, p, "w")
			held[p.ID] = true
		}
		endAt(t, rdb, p.ID, int64(i+1))
	}
	return held
}

func TestHeldPushesComeBeforeQueuedOnesHoweverManyWait(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	held := backlog(t, s, rdb)
	found := expired200(t, s)
	require.Len(t, found, 200)
	for _, e := range found {
		require.True(t, held[e.ID])
		require.NoError(t, rdb.ZRem(ctx(t), "{roomcast}:live", e.ID).Err())
	}
	found = expired200(t, s)
	require.Len(t, found, 200)
	for i, e := range found {
		require.Equal(t, i < backlogHeld-200, held[e.ID], "held first, then those that have waited longest")
	}
	require.EqualValues(t, 1, found[backlogHeld-200].Expiry)
}

func TestALookReadsFewQueuedPushesHoweverManyItHasRoomFor(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	held := backlog(t, s, rdb)
	require.NoError(t, rdb.ConfigResetStat(ctx(t)).Err())
	found, err := s.Expired(ctx(t), 1000)
	require.NoError(t, err)
	require.NotContains(t, rdb.Info(ctx(t), "commandstats").Val(), "cmdstat_hmget", "it asks for nothing of those that it does not return")
	require.Len(t, found, backlogHeld+200)
	for i, e := range found {
		require.Equal(t, i < backlogHeld, held[e.ID])
	}
}

func expired200(t testing.TB, s *store.Store) []tasks.Expired {
	t.Helper()
	found, err := s.Expired(ctx(t), 200)
	require.NoError(t, err)
	return found
}

// looks is a store that counts the looks of a sweeper, and the queue beside it,
// in which every task waits.
type looks struct {
	*store.Store
	count    atomic.Int64
	begin    time.Time     // of the sweeper
	after    time.Duration // then, the first takeover
	mu       sync.Mutex
	rung     map[string]int64 // push id → the look at which it was taken over
	deferred int64            // the look at which a queued push was first dealt with
}

func (l *looks) Expired(ctx context.Context, limit int) ([]tasks.Expired, error) {
	l.count.Add(1)
	return l.Store.Expired(ctx, limit)
}

func (l *looks) Defer(ctx context.Context, e tasks.Expired, grace time.Duration) error {
	l.mu.Lock()
	if l.deferred == 0 {
		l.deferred = l.count.Load()
	}
	l.mu.Unlock()
	return l.Store.Defer(ctx, e, grace)
}

func (l *looks) Enqueue(_ context.Context, t tasks.Task, _ bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rung) == 0 {
		l.after = time.Since(l.begin)
	}
	l.rung[t.ID] = l.count.Load()
	return nil
}

func (l *looks) Waits(context.Context, tasks.Task) (bool, error) { return true, nil }

func TestSweeperGetsThroughABacklogHeldPushesFirst(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	held := backlog(t, s, rdb)
	l := &looks{Store: s, rung: map[string]int64{}}
	log := &lines{}
	sweeper := tasks.Sweeper{Store: l, Queue: l, Inspector: l, Lease: 3 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil))}
	c, cancel := contextWithCancel(t)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	l.begin = time.Now()
	running.Go(func() { sweeper.Run(c) })
	require.Eventually(t, func() bool {
		now := fmt.Sprint(time.Now().UnixMilli())
		return rdb.ZCount(ctx(t), "{roomcast}:live", "-inf", now).Val()+rdb.ZCount(ctx(t), "{roomcast}:queued", "-inf", now).Val() == 0
	}, patience, 50*time.Millisecond)
	l.mu.Lock()
	defer l.mu.Unlock()
	first, last := int64(1<<62), int64(0)
	for id, look := range l.rung {
		require.True(t, held[id])
		first, last = min(first, look), max(last, look)
	}
	require.Len(t, l.rung, backlogHeld)
	require.LessOrEqual(t, last, l.deferred, "no held push waits for a queued one")
	if strings.Count(log.String(), "no takeovers") == 1 { // else this machine stood still meanwhile
		require.LessOrEqual(t, last-first, int64(3), "looks from the first takeover to the last")
		require.LessOrEqual(t, l.count.Load()-first, int64(30), "looks for all")
	}
	t.Logf("held: looks %d to %d, the first %v after the sweeper's start; all after %d looks",
		first, last, l.after.Round(time.Millisecond), l.count.Load())
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
