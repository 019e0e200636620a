package queue

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// gate is a client with which a server finds a queue empty while its worker takes
// nothing of it: what waits there keeps its order, and other workers take it.
// asynq itself has no such question; it can only stop for good.
type gate struct {
	redis.UniversalClient
	takes func(resume bool) bool
}

// EvalSha answers asynq's script that takes a task, known by the key that it looks
// at first (internal/rdb, dequeueCmd), as it does for an empty queue.
func (g gate) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if g.closed(keys) {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(redis.Nil)
		return cmd
	}
	return g.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

func (g gate) closed(keys []string) bool {
	for _, q := range []string{QueueResume, QueuePush} {
		if len(keys) > 1 && keys[1] == pausedKey(q) {
			return !g.takes(q == QueueResume)
		}
	}
	return false
}

// pausedKey is asynq's key of a queue that is paused (internal/base, PausedKey).
func pausedKey(queue string) string { return "asynq:{" + queue + "}:paused" }
