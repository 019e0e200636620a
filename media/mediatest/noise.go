package mediatest

import (
	"context"
	"testing"
	"time"
)

// Hops is how many processes stand between an act and what is seen of it: a busy machine
// lets each of them wait as long as WatchNoise tells.
const Hops = 4

// WatchNoise measures how late a timer of this process fires, which is how busy the machine
// is; the returned func ends it and tells the worst.
func WatchNoise(t testing.TB) func() time.Duration {
	ctx, cancel := context.WithCancel(t.Context())
	worst := make(chan time.Duration, 1)
	go func() {
		var late time.Duration
		for ctx.Err() == nil {
			due := time.Now().Add(10 * time.Millisecond)
			<-time.After(time.Until(due))
			late = max(late, time.Since(due))
		}
		worst <- late
	}()
	return func() time.Duration { cancel(); return <-worst }
}
