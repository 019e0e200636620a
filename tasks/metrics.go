package tasks

import "time"

// Opening is how an attempt came to its room.
type Opening string

// The openings.
const (
	OpeningFirst    Opening = "first"    // the push was in no room before
	OpeningHandover Opening = "handover" // the worker before gave the push back
	OpeningTakeover Opening = "takeover" // the worker before vanished
)

// AttemptMetrics is told what attempts do, each thing once. Its methods must
// not block.
type AttemptMetrics interface {
	// Began is told of each attempt that a worker has claimed.
	Began()
	// Opened is told of an attempt's first packet in its room: how long that was
	// after the push was created (OpeningFirst), or after the last sign of the
	// attempt before.
	Opened(how Opening, after time.Duration)
	// Reconnecting is told that source or room is going to be opened again.
	Reconnecting(s Side)
	// Ended is told how an attempt ended its push; code is that of a failure.
	Ended(s State, code Code)
}

// WorkerMetrics is told what a worker does beside its attempts.
type WorkerMetrics interface {
	AttemptMetrics
	// Renewed is told how long a renew took, and its error.
	Renewed(took time.Duration, err error)
	// Refused is told why a worker did not take an attempt that was due.
	Refused(why error)
}

// SweepMetrics is told what sweepers do.
type SweepMetrics interface {
	// TookOver is told what has become of an expired push.
	TookOver(e Expired, t Taken)
}

// unmeasured is told everything and keeps nothing.
type unmeasured struct{}

func (unmeasured) Began()                        {}
func (unmeasured) Opened(Opening, time.Duration) {}
func (unmeasured) Reconnecting(Side)             {}
func (unmeasured) Ended(State, Code)             {}
func (unmeasured) Renewed(time.Duration, error)  {}
func (unmeasured) Refused(error)                 {}

// openedLocked tells how the attempt came to its room.
func (a *attempt) openedLocked(now time.Time) {
	before := lastProgress(a.push).UpdatedAt
	if a.successor != nil {
		before = a.successor.from.UpdatedAt
	}
	switch {
	case a.push.StartedAt.IsZero():
		a.metrics.Opened(OpeningFirst, now.Sub(a.push.CreatedAt))
	case before.IsZero(): // nothing is known
	case a.push.Abandoned:
		a.metrics.Opened(OpeningTakeover, now.Sub(before))
	default:
		a.metrics.Opened(OpeningHandover, now.Sub(before))
	}
}

// TroubleKind is what is not well with a push.
type TroubleKind struct {
	Side Side
	Code Code
}

// Troubled is how many pushes have a trouble, and since when the first has.
type Troubled struct {
	Pushes int
	Oldest time.Duration
}

// Census is how all pushes are at one moment.
type Census struct {
	Pushes   map[State]int
	Troubles map[TroubleKind]Troubled
	Workers  int     // that have renewed within their lease
	Used     float64 // cores of those that are counted with pushes
	Free     float64 // cores of those that more pushes are taken for
}

// QueueLength is what waits in one of the queues.
type QueueLength struct {
	Queue   string
	Waiting int           // tasks, those that are about to be tried again included
	Oldest  time.Duration // how long the first of them waits that no worker has seen yet
}
