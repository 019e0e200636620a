package media

import (
	"context"
)

// playOn is play, until the source has a picture that it had not.
func (r *run) playOn(ctx context.Context) error {
	if err := r.openSource(ctx); err != nil {
		return err
	}
	if err := r.openRoom(ctx); err != nil {
		return err
	}
	for {
		if err := r.step(ctx); err != nil {
			return err
		}
	}
}

// takeVideo goes on with a source that has a picture now. A room is told its
// tracks when it is opened: one without a picture is opened anew, unless it could
// not be given this one. What was played of the sound goes on.
func (r *run) takeVideo(ctx context.Context) error {
	r.job.Meter.dropped(r.stopAhead())
	o := r.mix.reel.openAgain(ctx, r.mix.feed)
	if o.err != nil {
		return away(o.err)
	}
	switch {
	case r.mix.lanes[Video] != nil:
	case !r.mix.mayRecode() && r.mix.decide(o).copyable() != nil:
		r.job.Observer.Warned(WarnLeftOut, leftOut(Video, neverRecoded))
	default:
		if r.room != nil {
			r.job.Observer.Warned(WarnLateVideo, "the source's picture came after its sound had been published: the room was opened again with both")
		}
		r.closeRoom(ctx)
		r.mix.forgetLanes()
	}
	r.pacer.reset()
	return r.mix.load(o)
}
