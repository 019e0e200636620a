package queue_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

func TestAWebhooksBellIsRungOnceAndHeardApartFromThePushes(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	bell := tasks.WebhookTask{ID: "p", N: 3}
	for range 2 {
		require.NoError(t, q.EnqueueWebhooks(t.Context(), bell))
	}
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo(queue.QueueWebhook, "p.3")
	require.NoError(t, err)
	require.Equal(t, queue.WebhookTaskType, info.Type)
	require.JSONEq(t, `{"id":"p","n":3}`, string(info.Payload))

	start(t, rdb, queue.Config{Handler: func(context.Context, tasks.Task) error { t.Error("a push's slot was taken"); return nil }})
	heard := make(chan tasks.WebhookTask, 2)
	s := queue.NewWebhookServer(rdb, func(_ context.Context, t tasks.WebhookTask) error {
		heard <- t
		return nil
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Start())
	require.Equal(t, bell, receive(t, heard))
	s.Stop()
	s.Shutdown()
	require.Empty(t, heard)
}

func TestAnIdleWebhookServerAsksRedisOnceASecond(t *testing.T) {
	rdb := server.Fresh(t)
	s := queue.NewWebhookServer(rdb, func(context.Context, tasks.WebhookTask) error { return nil }, slog.New(slog.DiscardHandler))
	looks := func() int {
		stats, err := rdb.InfoMap(t.Context(), "commandstats").Result()
		require.NoError(t, err)
		var calls int
		_, _ = fmt.Sscanf(stats["Commandstats"]["cmdstat_rpoplpush"], "calls=%d,", &calls) // none yet: 0
		return calls
	}
	before, begun := looks(), time.Now()
	require.NoError(t, s.Start())
	defer s.Shutdown()
	require.Eventually(t, func() bool { return looks()-before >= 3 }, time.Minute, 100*time.Millisecond)
	require.LessOrEqual(t, looks()-before, int(time.Since(begun)/time.Second)+2)
}

func TestADeliveryIsCutOffWhenTheServerEnds(t *testing.T) {
	rdb := server.Fresh(t)
	require.NoError(t, queue.New(rdb).EnqueueWebhooks(t.Context(), tasks.WebhookTask{ID: "p", N: 1}))
	begun, cause := make(chan bool, 1), make(chan error, 1)
	s := queue.NewWebhookServer(rdb, func(ctx context.Context, _ tasks.WebhookTask) error {
		begun <- true
		<-ctx.Done()
		cause <- context.Cause(ctx)
		return nil
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, s.Start())
	receive(t, begun)
	s.Shutdown()
	require.ErrorIs(t, receive(t, cause), media.ErrDraining)
}
