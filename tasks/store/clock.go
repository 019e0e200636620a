package store

import (
	"sync"
	"time"
)

// clock compares the time of Redis with ours, which does not jump (Go's
// monotonic clock).
type clock struct {
	mu sync.Mutex
	// At the last call Redis read its clock, as redis, between begin and end.
	begin, end, redis time.Time
	run               string // of the server, changes with every start of one
}

// restarted says whether another server than at the last call answers: it was
// restarted, or another took over. Its leases may be those of a while ago.
func (c *clock) restarted(run string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.run
	c.run = run
	return before != "" && run != before
}

// jump returns by how much more, or less, than ours the time of Redis has
// surely gone on since the last call; 0 or less is no jump. Redis read its
// clock between begin and end.
func (c *clock) jump(begin, end, redis time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := clock{begin: c.begin, end: c.end, redis: c.redis}
	c.begin, c.end, c.redis = begin, end, redis
	if before.redis.IsZero() {
		return 0
	}
	passed := redis.Sub(before.redis)
	return max(passed-end.Sub(before.begin), begin.Sub(before.end)-passed)
}
