package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

func TestQueuesTellTheirLengthBeforeAnythingWasRungToo(t *testing.T) {
	rdb := server.Fresh(t)
	inspector := queue.NewInspector(rdb)
	empty := []tasks.QueueLength{{Queue: queue.QueuePush}, {Queue: queue.QueueResume}}
	all, err := inspector.Lengths(context.Background())
	require.NoError(t, err)
	require.Equal(t, empty, all)

	enqueue(t, rdb, task("a", 1), false)
	enqueue(t, rdb, task("b", 1), false)
	enqueue(t, rdb, task("a", 2), true)
	require.Eventually(t, func() bool {
		all, err = inspector.Lengths(context.Background())
		return err == nil && all[0].Oldest > 0 && all[1].Oldest > 0
	}, patience, 10*time.Millisecond)
	require.Equal(t, 2, all[0].Waiting)
	require.Equal(t, 1, all[1].Waiting)
}

func TestQueuesDoNotTellTheirLengthWhenRedisIsAway(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	inspector := queue.NewInspector(s.Client(t))
	s.Kill()
	_, err := inspector.Lengths(context.Background())
	require.Equal(t, tasks.CodeQueueUnavailable, tasks.CodeOf(err))
}
