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

// wake wakes a server that waits for what comes into a queue. It is the fast path only:
// what it misses, the next look finds.
func (q *Queue) wake(ctx context.Context, queue string) {
	key := wakeKey(queue)
	_, _ = q.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.LPush(ctx, key, 1)
		p.LTrim(ctx, key, 0, mostWakes-1)
		p.PExpire(ctx, key, wakeTime)
		return nil
	})
}
