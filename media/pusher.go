package media

import (
	"context"
	"errors"
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
	// MayOpenRoom waits until this worker may open a room connection, that is
	// until its lease is fresh, or returns ctx's cause. The context it returns
	// ends when that is no longer so; the caller cancels it.
	MayOpenRoom func(ctx context.Context) (context.Context, context.CancelFunc, error)
	// TakeOver, unless nil, is called once, when the source is open and before
	// the room is: it waits until the push is this attempt's and returns where
	// the one before stood, or ctx's cause.
	TakeOver func(ctx context.Context) (Progress, error)
	// Log receives what is said of the attempt, by its source and its encoders
	// too. Required.
	Log *slog.Logger
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

// Pusher plays sources into rooms. It is safe for concurrent use.
type Pusher struct {
	Opener Opener
	Dialer Dialer
	Door   Door
	// Transcoders re-encode; nil: nothing can be.
	Transcoders Transcoders
}

// endedEarly is how much of its length a source may leave out at its end.
const endedEarly = 2 * time.Second

// leaveTime bounds an unpublish: a room that does not read must not hold up a
// stop.
const leaveTime = 150 * time.Millisecond

// Play plays a job's source into its room until the source is over (nil), ctx
// ends (its cause, within 200 ms whatever hangs) or something cannot be helped
// by trying again (an *Error).
func (p *Pusher) Play(ctx context.Context, job Job) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	r := newRun(ctx, p, job, end)
	defer r.leave(ctx)
	err := r.playThrough(ctx)
	switch {
	case errors.Is(err, errPlayedOut):
		return nil
	case errors.Is(err, errOvertime):
		r.tellOvertime()
		return nil
	}
	return err
}

// playThrough plays until that is over, and again after what that can help.
func (r *run) playThrough(ctx context.Context) error {
	for {
		err := r.play(ctx)
		switch {
		case errors.Is(err, errPlayedOut), errors.Is(err, errOvertime):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		err = r.judge(err)
		r.giveUp(ctx, KindOf(err))
		wait, ok := r.retries.next(KindOf(err))
		if !ok {
			return err
		}
		r.job.Meter.reconnected()
		r.job.Observer.Reconnecting(err, wait, r.retries.until(KindOf(err)))
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}
