package media

import (
	"context"
	"errors"
	"time"
)

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
