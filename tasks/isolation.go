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
