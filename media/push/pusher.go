package push

import (
	"context"
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/outlet"
)

// Pusher plays sources into rooms. It is safe for concurrent use.
type Pusher struct {
	Opener media.Opener
	Dialer media.Dialer
	Door   media.Door
	// Transcoders re-encode; nil: nothing can be.
	Transcoders media.Transcoders
}

// Play plays a job's source into its room until the source is over (nil), ctx
// ends (its cause, within 200 ms whatever hangs) or something cannot be helped
// by trying again (an *Error).
func (p *Pusher) Play(ctx context.Context, job media.Job) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	s := newSession(ctx, p, job, []outlet.Config{{
		Dialer: p.Dialer, Door: p.Door, Destination: job.Destination, MayOpen: job.MayOpenRoom, Retry: job.Retry,
		Longest: job.Options.MaxDuration, Meter: job.Meter, Log: job.Log,
	}})
	s.end = end
	defer s.program.Close()
	err := s.play(ctx)
	if errors.Is(err, outlet.ErrOvertime) {
		s.tellOvertime()
		return nil
	}
	return err
}

// tellOvertime tells that the push ends because it may not be longer in its room.
func (s *session) tellOvertime() {
	played := s.outlets.Played(time.Now())
	s.job.Meter.SetPlayed(played)
	s.job.Observer.Warned(media.WarnMaxDuration, "the push has been in the room for as long as it may (maxDurationSec, or the operator's limit), and ends")
}
