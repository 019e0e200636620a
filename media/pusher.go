package media

import (
	"context"
	"errors"
)

// Pusher plays sources into rooms. It is safe for concurrent use.
type Pusher struct {
	Opener Opener
	Dialer Dialer
	Door   Door
	// Transcoders re-encode; nil: nothing can be.
	Transcoders Transcoders
}

// Play plays a job's source into its room until the source is over (nil), ctx
// ends (its cause, within 200 ms whatever hangs) or something cannot be helped
// by trying again (an *Error).
func (p *Pusher) Play(ctx context.Context, job Job) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := newSession(ctx, p, job, end)
	defer s.program.close()
	err := s.play(ctx, []outletConfig{{
		dialer: p.Dialer, door: p.Door, destination: job.Destination, mayOpen: job.MayOpenRoom, retry: job.Retry,
		longest: job.Options.MaxDuration, meter: job.Meter, observer: job.Observer, log: job.Log,
	}})
	if errors.Is(err, errOvertime) {
		s.tellOvertime()
		return nil
	}
	return err
}

// tellOvertime tells that the push ends because it may not be longer in its room.
func (s *session) tellOvertime() {
	_, played := s.outlets.sent()
	s.job.Meter.setPlayed(played)
	s.job.Observer.Warned(WarnMaxDuration, "the push has been in the room for as long as it may (maxDurationSec, or the operator's limit), and ends")
}
