package queue_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

func TestTaskThatIsRefusedAgainAndAgainIsLoggedOncePerReason(t *testing.T) {
	rdb := server.Fresh(t)
	log := &buffer{}
	answers := []error{tasks.ErrIsolated, tasks.ErrIsolated, tasks.ErrNoKey, tasks.ErrNoKey, nil}
	n, done := 0, make(chan struct{})
	start(t, rdb, queue.Config{Slots: 1, Log: slog.New(slog.NewTextHandler(log, nil)), Handler: func(context.Context, tasks.Task) error {
		n++
		if n == len(answers) {
			close(done)
		}
		return answers[n-1]
	}})
	require.NoError(t, queue.New(rdb).Enqueue(context.Background(), task("p", 1), false))
	receive(t, done)
	require.Equal(t, 1, strings.Count(log.String(), tasks.ErrIsolated.Error()))
	require.Equal(t, 1, strings.Count(log.String(), tasks.ErrNoKey.Error()))
}
