package queue

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// wakeKey is a list on which idle servers wait: each entry wakes the one that has
// waited longest, so that a task costs as much however many they are.
const wakeKey = "{roomcast}:wake"

const (
	// mostWakes bounds what is in the list while no server waits.
	mostWakes = 64
	// wakeTime is for how long that stays: a server finds its task by itself before.
	wakeTime = time.Second
)

// wake wakes a server that waits. It is the fast path only: what it misses, the next
// look finds.
func (q *Queue) wake(ctx context.Context) {
	_, _ = q.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.LPush(ctx, wakeKey, 1)
		p.LTrim(ctx, wakeKey, 0, mostWakes-1)
		p.PExpire(ctx, wakeKey, wakeTime)
		return nil
	})
}
