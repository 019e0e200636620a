package tasks

import (
	"context"
	"time"
)

// IsolationTime is how long a push with IsolationStrikes waits for an empty worker.
// After that it runs beside one other push, so that it starts where no worker is ever
// empty.
const IsolationTime = 10 * time.Minute

// isolationLimit bounds how long a push with IsolationStrikes keeps others out of its
// worker when it does not settle: its source comes and goes.
const isolationLimit = time.Minute

// RefusalStore notes why pushes are not taken. Its errors are *Error with
// CodeRedisUnavailable.
type RefusalStore interface {
	// Refused notes why a worker does not take the queued push of t, unless it
	// was made less than after ago or another refusal is known. A new reason
	// is a trouble in its history.
	Refused(ctx context.Context, t Task, after time.Duration, why Waiting) error
}

// others counts the pushes here that one with IsolationStrikes may not run beside, or
// returns ErrIsolated because such a push runs here and has not settled.
//
// Pushes that had strikes and have settled do not count: a crash cannot strike them
// any more. A source that is being prepared counts: it can bring the worker down
// before it is claimed.
func (w *Worker) others(id string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, now := 0, time.Now()
	for _, a := range w.attempts {
		struck, settled := a.push.Strikes >= IsolationStrikes, a.settled(now)
		switch {
		case a.lease.ID == id || struck && settled:
		case struck && now.Sub(a.begun) < isolationLimit:
			return 0, ErrIsolated
		default:
			n++
		}
	}
	for other := range w.preparing {
		if other != id {
			n++
		}
	}
	return n, nil
}
