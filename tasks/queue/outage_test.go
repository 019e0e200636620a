//go:build chaos

package queue_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

// TestAsynqsLeaseLostInAnOutageHurtsNobody freezes Redis for longer than
// asynq's lease. asynq gives the tasks up and its slots free; the handlers go
// on. Its recovery brings each task again, beside the handler that runs, and
// ends it when that says so. It takes two to three minutes: the lease 30 s,
// asynq's recovery 30 s of grace and looks every 60 s.
func TestAsynqsLeaseLostInAnOutageHurtsNobody(t *testing.T) {
	const pushes, slots = 3, 4
	s := redistest.New(t, redistest.Config{})
	rdb := s.Client(t)
	var mu sync.Mutex
	running := map[string]bool{} // the worker's registry
	var most, first, again, full atomic.Int64
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
				full.Add(1)
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
	<-time.After(40 * time.Second) // the outage
	require.NoError(t, s.Cont())

	// New pushes fill the slot that is left, and no more.
	for _, id := range []string{"d", "e", "f"} {
		enqueue(t, rdb, task(id, 1), false)
	}
	require.Eventually(t, func() bool { return full.Load() >= 2 && first.Load() == slots }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return again.Load() >= pushes }, 3*time.Minute, 100*time.Millisecond,
		"asynq brings the three again")
	require.EqualValues(t, slots, most.Load())
	require.EqualValues(t, slots, first.Load(), "nothing was started twice")
	orphans, err := queue.NewBells(rdb).Orphans(context.Background())
	require.NoError(t, err)
	require.Zero(t, orphans)
	close(finish)
}
