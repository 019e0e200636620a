package queue

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// wakeKey is a list on which idle servers wait that take from a queue: each entry wakes
// the one that has waited longest, so that a task costs as much however many they are.
func wakeKey(queue string) string { return "{roomcast}:wake:" + queue }

const (
	// mostWakes bounds what is in a list while no server waits.
	mostWakes = 64
	// wakeTime is for how long that stays: a server finds its task by itself before.
	wakeTime = time.Second
)

// waking is the client that asynq adds tasks with: as it adds one, in the same round trip,
// it wakes a server that waits for what comes into the queue. That is the fast path only: what
// it misses, the next look finds.
type waking struct{ redis.UniversalClient }

// EvalSha adds a task: what asynq tries first.
func (w waking) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return w.add(ctx, keys, func(p redis.Pipeliner) *redis.Cmd { return p.EvalSha(ctx, sha, keys, args...) })
}

// Eval adds a task, where Redis does not know the script.
func (w waking) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return w.add(ctx, keys, func(p redis.Pipeliner) *redis.Cmd { return p.Eval(ctx, script, keys, args...) })
}

// add runs asynq's script that adds a task (internal/rdb, enqueueCmd).
func (w waking) add(ctx context.Context, keys []string, script func(redis.Pipeliner) *redis.Cmd) (added *redis.Cmd) {
	_, _ = w.Pipelined(ctx, func(p redis.Pipeliner) error {
		added = script(p)
		if queue := queueOf(keys, pendingKey); queue != "" {
			key := wakeKey(queue)
			p.LPush(ctx, key, 1)
			p.LTrim(ctx, key, 0, mostWakes-1)
			p.PExpire(ctx, key, wakeTime)
		}
		return nil
	})
	return added
}
