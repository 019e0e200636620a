package tasks

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// leastWave is how many pushes are handed over at a time before it is known how
	// fast successors get ready.
	leastWave = 8
	// waveTime is how long ago a successor that got ready counts for the next wave.
	waveTime = 250 * time.Millisecond
	// slowSuccessor is after which time a push that waits for its successor holds up
	// no others.
	slowSuccessor = 2 * time.Second
)

// waves lets so many pushes be handed over at a time as successors got ready lately.
type waves struct {
	mu      sync.Mutex
	leaving map[*attempt]time.Time // since when
	ready   []time.Time            // when successors were, in the last waveTime
	changed chan struct{}          // capacity 1
}

func newWaves() *waves {
	return &waves{leaving: map[*attempt]time.Time{}, changed: make(chan struct{}, 1)}
}

// enter waits until one more push may be handed over, or ctx ends. It has one caller.
func (v *waves) enter(ctx context.Context, a *attempt) {
	for !v.admits(a, time.Now()) && ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, waveTime/10)
		select {
		case <-v.changed:
		case <-wait.Done():
		}
		cancel()
	}
}

func (v *waves) admits(a *attempt, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ready = slices.DeleteFunc(v.ready, func(at time.Time) bool { return now.Sub(at) > waveTime })
	waiting := 0
	for _, since := range v.leaving {
		if now.Sub(since) < slowSuccessor {
			waiting++
		}
	}
	if waiting >= max(leastWave, len(v.ready)) {
		return false
	}
	v.leaving[a] = now
	return true
}

// left notes that a has left, and whether its successor had got ready.
func (v *waves) left(a *attempt, ready bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.leaving, a)
	if ready {
		v.ready = append(v.ready, time.Now())
	}
	select {
	case v.changed <- struct{}{}:
	default:
	}
}
