package queue_test

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

// full says that the outage outlasts asynq's leases of 30 s: `make chaos`.
var full = os.Getenv("CHAOS") == "full"

// TestChaosAnOutageOfRedisEndsNoHandler freezes Redis. Handlers go on with their tasks,
// which are active in the monitor afterwards and hear its cancel. At full size asynq's
// leases are over twice meanwhile, and it looks after 60 s for tasks whose leases are.
func TestChaosAnOutageOfRedisEndsNoHandler(t *testing.T) {
	outage := 5 * time.Second
	if full {
		outage = 65 * time.Second
	} else {
		t.Parallel()
	}
	const pushes, slots = 3, 4
	s := redistest.New(t, redistest.Config{})
	rdb := s.Client(t)
	var mu sync.Mutex
	running := map[string]bool{} // the worker's registry
	var most, first, again atomic.Int64
	finish, started, cancelled := make(chan struct{}), make(chan struct{}, 64), make(chan tasks.Task, 64)
	start(t, rdb, queue.Config{
		Slots: slots, Outage: 2 * time.Minute,
		Handler: func(ctx context.Context, task tasks.Task) error {
			mu.Lock()
			if running[task.ID] {
				mu.Unlock()
				again.Add(1)
				return nil // held: acknowledged
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
		OnCancel: func(_ context.Context, task tasks.Task) { cancelled <- task },
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
		<-time.After(10 * time.Second) // asynq has looked at its leases, and what it brings has come
	}
	require.EqualValues(t, slots, most.Load())
	require.EqualValues(t, slots, first.Load(), "nothing was started twice")
	require.Zero(t, again.Load(), "nothing was brought again")
	require.Empty(t, cancelled, "a lost lease is no cancel")
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	for _, id := range []string{"a", "b", "c"} {
		info, err := inspector.GetTaskInfo(queue.QueuePush, queue.TaskID(id, 1))
		require.NoError(t, err)
		require.Equal(t, asynq.TaskStateActive, info.State, "the monitor shows that it runs")
	}
	require.Eventually(t, func() bool { // who does not listen again yet misses it
		require.NoError(t, inspector.CancelProcessing(queue.TaskID("a", 1)))
		return len(cancelled) > 0
	}, patience, 100*time.Millisecond)
	require.Equal(t, "a", receive(t, cancelled).ID)
	t.Logf("RESULT %s: Redis frozen for %v under %d tasks: no handler ended, no task was given up",
		t.Name(), outage, pushes)
	close(finish)
}
