package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

// The budget of a drain. What the process then still has to close may hang in
// Redis for another 2 s; README tells operators to allow for 25 s.
const (
	// drainTime is all of it.
	drainTime = 18 * time.Second
	// givingBackTime is how much of it the pushes have to be written down.
	givingBackTime = 14 * time.Second
	// stoppingTime is how long the rooms wait for the queue to stop: 0.2 s at most
	// while Redis answers.
	stoppingTime = time.Second
)

// drain gives all pushes back: nothing is taken any more, the pushes are
// handed over, and then the queue is let go; endBackground lets the renewing end
// once it is not needed. Redis may hang in any of it; false says that it did,
// and that the queue still works.
func drain(server *queue.Server, worker *tasks.Worker, endBackground func(), log *slog.Logger) bool {
	begin := time.Now()
	log.Info("draining", "pushes", worker.Running())
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	worker.Refuse()
	within(ctx, stoppingTime, server.Stop)
	leaving, cancelLeaving := context.WithTimeout(ctx, givingBackTime)
	defer cancelLeaving()
	worker.Drain(leaving)
	left := worker.Running()
	worker.Close()
	endBackground()
	orderly := within(ctx, drainTime, server.Shutdown)
	log.Info("worker ended", "after", time.Since(begin), "not_given_back", left, "orderly", orderly)
	return orderly
}

// within calls f and waits for it, but no longer than limit and until ctx ends;
// it says whether f has returned. The end of the process is the end of an f
// that has not: it hangs in Redis, and nothing interrupts it there.
func within(ctx context.Context, limit time.Duration, f func()) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
