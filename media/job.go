package media

import (
	"context"
	"log/slog"
	"time"
)

// Job is one attempt: what to play, from where, into which room.
type Job struct {
	Source      SourceRequest
	Destination Destination
	Start       time.Duration // position to start from; live sources ignore it
	Unclocked   bool          // Start is no time of the source's clock, which has stepped back (Progress.Unclocked)
	Options     Options
	Stood       Progress // where the attempt before stood: its loops, time in the room and coverage go on; zero: there was none
	WasLive     bool     // to an earlier attempt the source was live
	Before      Plan     // of the attempt before: its Outputs are given again; zero: the room was told nothing
	Meter       *Meter
	Observer    Observer
	Retry       RetryPolicy
	Keyframe    *LastKeyframe // nil: nobody wants to see what the room gets
	Asks
	// Log receives what is said of the attempt, by its source and its encoders
	// too. Required.
	Log *slog.Logger
}

// Asks is what an attempt asks of who owns the push before its room is opened.
type Asks struct {
	// MayOpenRoom waits until this worker may open a room connection, that is
	// until its lease is fresh, or returns ctx's cause. The context it returns
	// ends when that is no longer so; the caller cancels it.
	MayOpenRoom func(ctx context.Context) (context.Context, context.CancelFunc, error)
	// Fits, unless nil, is called when Observer knows what is to be done with the
	// source and before encoders or the room are opened: an error ends the job with it.
	Fits func() error
	// TakeOver, unless nil, is called once, when the source is open and before
	// the room is: it waits until the push is this attempt's and returns where
	// the one before stood, or ctx's cause.
	TakeOver func(ctx context.Context) (Progress, error)
}

// Observer is told what happens in an attempt. Its methods must not block.
type Observer interface {
	// Planned is called when the source has been looked at, and whenever the
	// plan changes.
	Planned(info SourceInfo, live bool, p Plan)
	// Publishing is called whenever the room has accepted a first packet.
	Publishing()
	// Reconnecting is called before the wait that precedes another try; until
	// is when err is given up, should nothing work before.
	Reconnecting(err error, wait time.Duration, until time.Time)
	// Warned tells what a person should know and what does not stop the push.
	Warned(code WarningCode, message string)
}

// Retry says how often an error is tried again. The zero value is: never.
type Retry struct {
	// AtOnce puts one try without any wait before the others.
	AtOnce bool
	First  time.Duration // the first wait; later ones double; all have jitter
	Max    time.Duration // the longest wait, jitter included
	For    time.Duration // how long in all, counted from the first failure since it worked, see retries
}

// RetryPolicy says how an error of a kind is tried again.
type RetryPolicy func(Kind) Retry
