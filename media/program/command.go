package program

import (
	"sync/atomic"
	"time"
)

// Command changes what a Program gives from one of its next packets on.
type Command interface{ apply(c *commands) }

// ForceKeyframe makes the next picture one that viewers can start with, if it is in our
// hands: of what is copied it is not.
type ForceKeyframe struct{}

// CatchUp leaves out Total of a live playlist, in all since the program began, so that it
// is no further behind than its source. It goes on at a keyframe.
type CatchUp struct{ Total time.Duration }

// commands are what was asked of a program beside its other methods.
type commands struct {
	wantKey atomic.Bool
	overdue atomic.Int64 // time.Duration that is wanted left out, in all
}

func (ForceKeyframe) apply(c *commands) { c.wantKey.Store(true) }
func (c CatchUp) apply(to *commands)    { to.overdue.Store(int64(c.Total)) }
