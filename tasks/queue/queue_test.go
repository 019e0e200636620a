package queue_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

const patience = 30 * time.Second

var server *redistest.Server

func TestMain(m *testing.M) {
	os.Exit(redistest.Run(m, func(s *redistest.Server) { server = s }))
}

func task(id string, epoch int64) tasks.Task {
	return tasks.Task{ID: id, Epoch: epoch, Room: "r", User: "u", SourceHost: "h"}
}

// buffer is a log that goroutines may write to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t *testing.T, rdb redisconn.Client, cfg queue.Config) *queue.Server {
	t.Helper()
	if cfg.Slots == 0 {
		cfg.Slots = 4
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := queue.NewServer(rdb, cfg)
	require.NoError(t, s.Start())
	t.Cleanup(s.Shutdown)
	return s
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestTaskCarriesWhatDesignAllowsAndNothingElse(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task("p", 3), false))
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo(queue.QueuePush, "p.3")
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"p","epoch":3,"room":"r","user":"u","sourceHost":"h"}`, string(info.Payload))
	require.Equal(t, queue.TaskType, info.Type)
	require.Greater(t, info.Timeout, 365*24*time.Hour)
	require.Greater(t, info.MaxRetry, 1_000_000)
	require.Zero(t, info.Retention)
}

func TestEnqueueingTwiceIsNoError(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	for range 3 {
		require.NoError(t, q.Enqueue(context.Background(), task("p", 1), false))
	}
	got, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo(queue.QueuePush)
	require.NoError(t, err)
	require.Equal(t, 1, got.Size)
}

func TestEnqueueTellsWhenRedisIsAway(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	q := queue.New(s.Client(t))
	s.Kill()
	err := q.Enqueue(context.Background(), task("p", 1), false)
	require.Equal(t, tasks.CodeQueueUnavailable, tasks.CodeOf(err))
	var typed *tasks.Error
	require.ErrorAs(t, err, &typed)
	require.True(t, typed.Retryable)
}

func TestResumedPushesComeBeforeNewOnes(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	for _, id := range []string{"new1", "new2", "new3"} {
		require.NoError(t, q.Enqueue(context.Background(), task(id, 1), false))
	}
	for _, id := range []string{"old1", "old2"} {
		require.NoError(t, q.Enqueue(context.Background(), task(id, 2), true))
	}
	got := make(chan string, 8)
	start(t, rdb, queue.Config{Slots: 1, Handler: func(_ context.Context, task tasks.Task) error {
		got <- task.ID
		return nil
	}})
	var order []string
	for range 5 {
		order = append(order, receive(t, got))
	}
	require.Equal(t, []string{"old1", "old2", "new1", "new2", "new3"}, order)
}

func TestFailedHandlerGetsItsTaskAgainAndItIsNotCountedAsAFailure(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task("p", 1), false))
	runs := make(chan int, 8)
	n := 0
	start(t, rdb, queue.Config{Slots: 1, Handler: func(context.Context, tasks.Task) error {
		n++
		runs <- n
		if n < 3 {
			return errors.New("store is away")
		}
		return nil
	}})
	for want := 1; want <= 3; want++ {
		require.Equal(t, want, receive(t, runs))
	}
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo(queue.QueuePush)
	require.NoError(t, err)
	require.Zero(t, info.FailedTotal)
}

func TestTheTaskOfAFailedPushIsShownAsFailedWithItsReason(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task("p", 1), false))
	var log buffer
	start(t, rdb, queue.Config{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Handler: func(context.Context, tasks.Task) error {
			return &tasks.PushFailed{Failure: tasks.Failure{Code: tasks.CodeSourceNotFound, Message: "the source is not there"}}
		},
	})
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	require.Eventually(t, func() bool {
		info, err := inspector.GetTaskInfo(queue.QueuePush, queue.TaskID("p", 1))
		return err == nil && info.State == asynq.TaskStateArchived && info.LastErr == "source_not_found: the source is not there"
	}, patience, 20*time.Millisecond)
	info, err := inspector.GetQueueInfo(queue.QueuePush)
	require.NoError(t, err)
	require.Equal(t, 1, info.FailedTotal)
	require.NotContains(t, log.String(), "delivered again")
}

func TestTheQueuesAreThereBeforeTheirFirstTask(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.Declare(t.Context(), rdb))
	for _, name := range []string{queue.QueuePush, queue.QueueResume} {
		_, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo(name)
		require.NoError(t, err)
	}
}

func TestCancelInAsynqCallsOnCancelAndLeavesTheHandlerAlone(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task("p", 7), false))
	started, finish := make(chan context.Context, 8), make(chan struct{})
	cancelled := make(chan tasks.Task, 8)
	start(t, rdb, queue.Config{
		Handler: func(ctx context.Context, _ tasks.Task) error {
			started <- ctx
			<-finish
			return nil
		},
		OnCancel: func(ctx context.Context, task tasks.Task) {
			if ctx.Err() == nil {
				cancelled <- task
			}
		},
	})
	ctx := receive(t, started)
	// The cancel is a bare PUBLISH: repeat it until the server listens.
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var got tasks.Task
	for got.ID == "" {
		require.NoError(t, inspector.CancelProcessing("p.7"))
		select {
		case got = <-cancelled:
		case <-tick.C:
		}
	}
	require.Equal(t, task("p", 7), got)
	require.NoError(t, ctx.Err(), "asynq's cancel must not reach the handler")
	// asynq delivers the task again beside the handler that still runs.
	require.NoError(t, receive(t, started).Err())
	close(finish)
}

func TestShutdownIsNoCancelAndEndsTheHandlersContextWithItsCause(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task("p", 1), false))
	started, cause := make(chan struct{}), make(chan error, 1)
	onCancel := make(chan tasks.Task, 1)
	s := start(t, rdb, queue.Config{
		ShutdownTimeout: 50 * time.Millisecond,
		Handler: func(ctx context.Context, _ tasks.Task) error {
			close(started)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		},
		OnCancel: func(_ context.Context, task tasks.Task) { onCancel <- task },
	})
	receive(t, started)
	s.Stop()
	s.Shutdown()
	require.ErrorIs(t, receive(t, cause), media.ErrDraining)
	require.Empty(t, onCancel)
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo(queue.QueuePush)
	require.NoError(t, err)
	require.Equal(t, 1, info.Pending, "the task was put back")
}

func TestMalformedTaskIsPutAsideAndLogged(t *testing.T) {
	for name, payload := range map[string]string{
		"not JSON":      "{",
		"without an id": `{"epoch":1}`,
		"epoch 0":       `{"id":"p"}`,
	} {
		t.Run(name, func(t *testing.T) {
			rdb := server.Fresh(t)
			client := asynq.NewClientFromRedisClient(rdb)
			_, err := client.Enqueue(asynq.NewTask(queue.TaskType, []byte(payload)), asynq.Queue(queue.QueuePush))
			require.NoError(t, err)
			var log buffer
			handled := make(chan tasks.Task, 1)
			start(t, rdb, queue.Config{
				Log: slog.New(slog.NewTextHandler(&log, nil)),
				Handler: func(_ context.Context, task tasks.Task) error {
					handled <- task
					return nil
				},
			})
			inspector := asynq.NewInspectorFromRedisClient(rdb)
			require.Eventually(t, func() bool {
				info, err := inspector.GetQueueInfo(queue.QueuePush)
				return err == nil && info.Archived == 1
			}, patience, 20*time.Millisecond)
			require.Contains(t, log.String(), "malformed")
			require.Empty(t, handled)
		})
	}
}

func TestPayloadOfALaterVersionIsStillRead(t *testing.T) {
	rdb := server.Fresh(t)
	payload, err := json.Marshal(map[string]any{"id": "p", "epoch": 2, "later": true})
	require.NoError(t, err)
	_, err = asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask(queue.TaskType, payload), asynq.Queue(queue.QueuePush))
	require.NoError(t, err)
	got := make(chan tasks.Task, 1)
	start(t, rdb, queue.Config{Handler: func(_ context.Context, task tasks.Task) error {
		got <- task
		return nil
	}})
	require.Equal(t, tasks.Task{ID: "p", Epoch: 2}, receive(t, got))
}

func TestTheMonitorShowsWhatATaskWaitsForInWordsAndTheLogItsCause(t *testing.T) {
	rdb := server.Fresh(t)
	enqueue(t, rdb, task("p", 1), false)
	var lines buffer
	taken := make(chan tasks.Task, 8)
	s := queue.NewServer(rdb, queue.Config{Slots: 1, Log: slog.New(slog.NewTextHandler(&lines, nil)), Handler: func(_ context.Context, task tasks.Task) error {
		taken <- task
		return &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "the store cannot be reached; try again", Err: errors.New("dial tcp 127.0.0.1:6379: connect: connection refused")}
	}})
	require.NoError(t, s.Start())
	receive(t, taken)
	s.Shutdown()
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo(queue.QueuePush, "p.1")
	require.NoError(t, err)
	require.Equal(t, "the store cannot be reached; try again", info.LastErr)
	require.Contains(t, lines.String(), "connection refused")
}
