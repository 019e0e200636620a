package queue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

func TestAServerWithoutRoomLeavesTasksToOthersAndWhatGoesOnIsFirst(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	for _, id := range []string{"new1", "new2"} {
		require.NoError(t, q.Enqueue(t.Context(), task(id, 1), false))
	}
	require.NoError(t, q.Enqueue(t.Context(), task("old", 2), true))
	var resumes, news atomic.Bool
	asked := make(chan struct{}, 100)
	taken := make(chan tasks.Task, 8)
	start(t, rdb, queue.Config{
		Slots: 1, // one after the other
		Takes: func(resume bool) bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			if resume {
				return resumes.Load()
			}
			return news.Load()
		},
		Handler: func(_ context.Context, got tasks.Task) error {
			taken <- got
			return nil
		},
	})
	for range 10 {
		receive(t, asked)
	}
	require.Empty(t, taken)
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	info, err := inspector.GetQueueInfo(queue.QueuePush)
	require.NoError(t, err)
	require.Equal(t, 2, info.Pending, "they keep their place")
	resumes.Store(true)
	got := receive(t, taken)
	require.Equal(t, "old", got.ID)
	require.True(t, got.GoesOn)
	for range 10 {
		receive(t, asked)
	}
	require.Empty(t, taken)
	news.Store(true)
	for _, id := range []string{"new1", "new2"} {
		got := receive(t, taken)
		require.Equal(t, id, got.ID)
		require.False(t, got.GoesOn)
	}
	require.Eventually(t, func() bool {
		info, err = inspector.GetQueueInfo(queue.QueuePush)
		return err == nil && info.Pending == 0
	}, patience, 20*time.Millisecond)
}
