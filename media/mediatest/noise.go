package mediatest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Hops is how many processes stand between an act and what is seen of it: a busy machine
// lets each of them wait as long as WatchNoise tells.
const Hops = 4

// WatchNoise measures how late a timer of this process fires, which is how busy the machine
// is; the returned func ends it and tells the worst.
func WatchNoise(t testing.TB) func() time.Duration {
	const every = 10 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	begun := time.Now()
	var due, worst atomic.Int64 // ns since begun
	due.Store(int64(every))
	go func() {
		for ctx.Err() == nil {
			<-time.After(time.Until(begun.Add(time.Duration(due.Load()))))
			now := int64(time.Since(begun))
			worst.Store(max(worst.Load(), now-due.Load()))
			due.Store(now + int64(every))
		}
	}()
	return sync.OnceValue(func() time.Duration {
		defer cancel()
		late := int64(time.Since(begun)) - due.Load() // of the timer that has not fired
		return time.Duration(max(late, worst.Load()))
	})
}
