package queue_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

func requireWaits(t *testing.T, rdb redisconn.Client, task tasks.Task, want bool) {
	t.Helper()
	got, err := queue.NewInspector(rdb).Waits(context.Background(), task)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func enqueue(t *testing.T, rdb redisconn.Client, task tasks.Task, resume bool) {
	t.Helper()
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task, resume))
}

func TestTaskWaitsInEitherQueueUntilAWorkerTakesIt(t *testing.T) {
	rdb := server.Fresh(t)
	requireWaits(t, rdb, task("p", 1), false)
	enqueue(t, rdb, task("p", 1), false)
	enqueue(t, rdb, task("p", 2), true)
	requireWaits(t, rdb, task("p", 1), true)
	requireWaits(t, rdb, task("p", 2), true)
	requireWaits(t, rdb, task("p", 3), false)
	requireWaits(t, rdb, task("q", 1), false)

	taken, finish := make(chan tasks.Task, 2), make(chan struct{})
	start(t, rdb, queue.Config{Slots: 1, Handler: func(_ context.Context, task tasks.Task) error {
		taken <- task
		<-finish
		return nil
	}})
	goesOn := task("p", 2)
	goesOn.GoesOn = true
	require.Equal(t, goesOn, receive(t, taken))
	requireWaits(t, rdb, task("p", 2), false)
	requireWaits(t, rdb, task("p", 1), true)
	close(finish)
	receive(t, taken)
	require.Eventually(t, func() bool {
		waits, err := queue.NewInspector(rdb).Waits(context.Background(), task("p", 1))
		return err == nil && !waits
	}, patience, 10*time.Millisecond)
}

func TestTaskThatAWorkerSentBackWaits(t *testing.T) {
	rdb := server.Fresh(t)
	enqueue(t, rdb, task("p", 1), false)
	taken := make(chan tasks.Task, 8)
	s := queue.NewServer(rdb, queue.Config{Slots: 1, Handler: func(_ context.Context, task tasks.Task) error {
		taken <- task
		return tasks.ErrFull
	}})
	require.NoError(t, s.Start())
	receive(t, taken)
	s.Shutdown()
	requireWaits(t, rdb, task("p", 1), true)
}

func TestTaskIsFoundAfterRedisLostItsListOfQueues(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	require.NoError(t, q.Enqueue(context.Background(), task("p", 1), false))
	require.NoError(t, rdb.FlushAll(context.Background()).Err())
	require.NoError(t, q.Enqueue(context.Background(), task("p", 2), false))
	requireWaits(t, rdb, task("p", 2), true)
}

func TestTheInspectorTellsWhenRedisIsAway(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	inspector := queue.NewInspector(s.Client(t))
	s.Kill()
	_, err := inspector.Waits(context.Background(), task("p", 1))
	require.Equal(t, tasks.CodeQueueUnavailable, tasks.CodeOf(err))
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = inspector.Waits(cancelled, task("p", 1))
	require.ErrorIs(t, err, context.Canceled)
}
