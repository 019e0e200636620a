package media

import (
	"context"
	"slices"
)

// again returns a feed that goes on with f's source, which is its own from now
// on, after the source has told of another track.
func (f *feed) again(ctx context.Context, r *reel) *feed {
	f.reading.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	end := f.cancel
	g := newFeed(f.source, r.request.Mode)
	g.came = f.came
	g.cancel = func(cause error) { cancel(cause); end(cause) }
	g.release, f.passedOn = f.release, true
	g.begin(ctx, 0, r.onItsWay)
	return g
}

// openAgain looks at what goes on with f's source.
func (r *reel) openAgain(ctx context.Context, f *feed) opened {
	g := f.again(ctx, r)
	s, err := g.look(ctx)
	if err != nil {
		g.close()
		return opened{err: err}
	}
	if len(f.held) > 0 && !g.live { // of the looking at it: nothing of a recording is left out
		sound := slices.IndexFunc(g.info.Tracks, func(t Track) bool { return t.Type == Audio })
		for i := range f.held {
			f.held[i].Track = sound
		}
		g.from, g.held = f.from, append(f.held, g.held...)
	}
	return opened{feed: g, seen: s}
}

// forgetLanes makes the next feed decide anew what tracks the room has.
func (m *mixer) forgetLanes() {
	for i, l := range m.lanes {
		m.covers[i].begun = false
		if l != nil {
			l.close()
			m.lanes[i] = nil
		}
	}
	m.planned = false
}

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
