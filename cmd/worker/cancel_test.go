package main

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
)

// stops is a StopStore that fails until a time.
type stops struct {
	until   time.Time
	err     error
	stopped []string
}

func (s *stops) Stop(_ context.Context, id string) (tasks.Push, error) {
	if time.Now().Before(s.until) {
		return tasks.Push{}, s.err
	}
	s.stopped = append(s.stopped, id)
	return tasks.Push{ID: id}, nil
}

func (s *stops) Abort(context.Context, string, tasks.Failure) error { return nil }

func TestACancelInTheQueueOutlivesAFailover(t *testing.T) {
	away := &tasks.Error{Code: tasks.CodeRedisUnavailable}
	gone := &tasks.Error{Code: tasks.CodeNotFound}
	for name, c := range map[string]struct {
		fails  time.Duration
		err    error
		want   []string
		within time.Duration
	}{
		"Redis is there":             {0, nil, []string{"a"}, 0},
		"Redis fails over":           {5 * time.Second, away, []string{"a"}, 8 * time.Second},
		"Redis is away for longer":   {time.Minute, away, nil, 10 * time.Second},
		"a push that is not there":   {time.Minute, gone, nil, 0},
		"Redis fails for the moment": {time.Millisecond, away, []string{"a"}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				begin := time.Now()
				s := &stops{until: begin.Add(c.fails), err: c.err}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // as the queue allows
				defer cancel()
				stopForGood(ctx, s, tasks.Task{ID: "a", Epoch: 1}, slog.New(slog.NewTextHandler(&log, nil)))
				require.Equal(t, c.want, s.stopped)
				require.LessOrEqual(t, time.Since(begin), c.within)
				require.Equal(t, c.want == nil, log.Len() > 0, log.String())
			})
		})
	}
}
