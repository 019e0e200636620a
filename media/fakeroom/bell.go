package fakeroom

import (
	"context"
	"sync"
	"sync/atomic"
)

// bell wakes those who wait for a change; ringing costs little while nobody
// waits.
type bell struct {
	waiting atomic.Int32
	mu      sync.Mutex
	rung    chan struct{}
}

// ring is called after every change.
func (b *bell) ring() {
	if b.waiting.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

// wait returns nil when done says so, or ctx's cause. It asks done again after
// every ring.
func (b *bell) wait(ctx context.Context, done func() bool) error {
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	for {
		rung := b.next()
		if done() {
			return nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
