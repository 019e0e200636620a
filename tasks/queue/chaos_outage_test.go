package queue_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

// full says that the outage outlasts asynq's lease of 30 s: `make chaos`.
var full = os.Getenv("CHAOS") == "full"

// TestChaosAnOutageOfRedisEndsNoHandler freezes Redis. Handlers go on, and
// their slots stay taken. At full size asynq loses its leases meanwhile, gives
// the tasks up and its slots free; its recovery, which looks every 60 s after
// 30 s of grace, brings each task again, beside the handler that runs, and ends
// it when that says so. That takes two to three minutes.
func TestChaosAnOutageOfRedisEndsNoHandler(t *testing.T) {
	outage := 5 * time.Second
	if full {
		outage = 40 * time.Second
	} else {
		t.Parallel()
	}
	const pushes, slots = 3, 4
	s := redistest.New(t, redistest.Config{})
	rdb := s.Client(t)
	var mu sync.Mutex
	running := map[string]bool{} // the worker's registry
	var most, first, again, refused atomic.Int64
	finish, started := make(chan struct{}), make(chan struct{}, 64)
	start(t, rdb, queue.Config{
		Slots: slots,
		Handler: func(ctx context.Context, task tasks.Task) error {
			mu.Lock()
			if running[task.ID] {
				mu.Unlock()
				again.Add(1)
				return nil // held: acknowledged
			}
			if len(running) >= slots {
				mu.Unlock()
				refused.Add(1)
				return tasks.ErrFull
			}
			running[task.ID] = true
			most.Store(max(most.Load(), int64(len(running))))
			mu.Unlock()
			first.Add(1)
			started <- struct{}{}
			select {
			case <-finish:
				return nil
			case <-ctx.Done():
				t.Error("a handler's context ended: ", context.Cause(ctx))
				return ctx.Err()
			}
		},
		OnCancel: func(_ context.Context, task tasks.Task) { t.Error("a lost lease was taken for a cancel: ", task.ID) },
	})
	for _, id := range []string{"a", "b", "c"} {
		enqueue(t, rdb, task(id, 1), false)
	}
	for range pushes {
		receive(t, started)
	}
	require.NoError(t, s.Stop())
	<-time.After(outage)
	require.NoError(t, s.Cont())

	// New pushes fill the slot that is left, and no more.
	for _, id := range []string{"d", "e", "f"} {
		enqueue(t, rdb, task(id, 1), false)
	}
	require.Eventually(t, func() bool { return first.Load() == slots }, patience, 10*time.Millisecond)
	if full {
		require.Eventually(t, func() bool { return refused.Load() >= 2 }, patience, 10*time.Millisecond, "asynq's slots are free")
		require.Eventually(t, func() bool { return again.Load() >= pushes }, 3*time.Minute, 100*time.Millisecond,
			"asynq brings the three again")
	}
	require.EqualValues(t, slots, most.Load())
	require.EqualValues(t, slots, first.Load(), "nothing was started twice")
	t.Logf("RESULT %s: Redis frozen for %v under %d tasks: no handler ended, %d brought again, none run twice",
		t.Name(), outage, pushes, again.Load())
	close(finish)
}
