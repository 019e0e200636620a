package queue

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// gate is a client with which a server finds a queue empty while its worker takes
// nothing of it: what waits there keeps its order, and other workers take it.
// asynq itself has no such question; it can only stop for good.
//
// Between two looks it waits until a task comes, where asynq only sleeps.
type gate struct {
	redis.UniversalClient
	takes func(resume bool) bool // nil: it takes all
	idle  bool                   // the last look found nothing; of asynq's one goroutine that looks
}

// EvalSha answers asynq's script that takes a task, known by the key that it looks
// at first (internal/rdb, dequeueCmd), as it does for an empty queue.
func (g *gate) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	queue := takenFrom(keys)
	if queue == "" {
		return g.UniversalClient.EvalSha(ctx, sha, keys, args...)
	}
	if queue == QueueResume && g.idle { // a look begins
		if err := g.wait(ctx); err != nil {
			return failed(ctx, err)
		}
	}
	if g.idle = true; !g.open(queue) {
		return failed(ctx, redis.Nil)
	}
	cmd := g.UniversalClient.EvalSha(ctx, sha, keys, args...)
	g.idle = cmd.Err() != nil
	return cmd
}

func failed(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	return cmd
}

func (g *gate) open(queue string) bool { return g.takes == nil || g.takes(queue == QueueResume) }

// wait waits until a task has come that is taken here, lookEvery at most.
func (g *gate) wait(ctx context.Context) error {
	blpop := []any{"blpop"}
	for _, q := range []string{QueueResume, QueuePush} {
		if g.open(q) {
			blpop = append(blpop, wakeKey(q))
		}
	}
	if len(blpop) == 1 { // other workers are to be woken
		rest(ctx)
		return nil
	}
	err := g.Do(ctx, append(blpop, lookEvery.Seconds())...).Err()
	if errors.Is(err, redis.Nil) { // nobody has come
		return nil
	}
	if _, answered := errors.AsType[redis.Error](err); answered { // an account may not wait: the look itself tells what is wrong
		rest(ctx)
		return nil
	}
	return err
}

// rest is what a server does that cannot wait in Redis.
func rest(ctx context.Context) {
	select {
	case <-time.After(lookEvery):
	case <-ctx.Done():
	}
}

// takenFrom returns the queue that a script with these keys takes a task from; empty:
// it is another script.
func takenFrom(keys []string) string {
	for _, q := range []string{QueueResume, QueuePush} {
		if len(keys) > 1 && keys[1] == pausedKey(q) {
			return q
		}
	}
	return ""
}

// pausedKey is asynq's key of a queue that is paused (internal/base, PausedKey).
func pausedKey(queue string) string { return "asynq:{" + queue + "}:paused" }
