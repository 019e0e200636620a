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
	// wavesTime is when the last push is to be handed over, if it can be.
	wavesTime = 9 * time.Second
	// slowSuccessor is after which time a push that waits for its successor holds up
	// no others.
	slowSuccessor = 2 * time.Second
)

// waves lets so many pushes be handed over at a time as successors got ready lately,
// or as it takes to be through in time.
type waves struct {
	until time.Time

	mu      sync.Mutex
	leaving map[*attempt]time.Time // since when
	ready   []time.Time            // when successors were, in the last waveTime
	takes   time.Duration          // from the announcement until a push has left, on average of the last ones
	changed chan struct{}          // capacity 1
}

func newWaves() *waves {
	return &waves{until: time.Now().Add(wavesTime), leaving: map[*attempt]time.Time{}, changed: make(chan struct{}, 1)}
}

// enter waits until a, the first of so many that are left, may be handed over, or ctx
// ends. It has one caller.
func (v *waves) enter(ctx context.Context, a *attempt, left int) {
	for !v.admits(a, left, time.Now()) && ctx.Err() == nil {
		wait, cancel := context.WithTimeout(ctx, waveTime/10)
		select {
		case <-v.changed:
		case <-wait.Done():
		}
		cancel()
	}
}

func (v *waves) admits(a *attempt, left int, now time.Time) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ready = slices.DeleteFunc(v.ready, func(at time.Time) bool { return now.Sub(at) > waveTime })
	waiting := 0
	for _, since := range v.leaving {
		if now.Sub(since) < slowSuccessor {
			waiting++
		}
	}
	inTime := float64(left+waiting) * float64(v.takes) / float64(max(v.until.Sub(now), v.takes, 1))
	if waiting >= max(leastWave, len(v.ready), int(inTime)) {
		return false
	}
	v.leaving[a] = now
	return true
}

// left notes that a has left, and whether its successor had got ready.
func (v *waves) left(a *attempt, ready bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if ready {
		v.ready = append(v.ready, now)
		v.takes += (now.Sub(v.leaving[a]) - v.takes) / leastWave
	}
	delete(v.leaving, a)
	select {
	case v.changed <- struct{}{}:
	default:
	}
}
