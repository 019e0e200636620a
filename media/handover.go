package media

import (
	"context"
)

// takeOver waits until the push is this attempt's and brings the source, which
// was opened while the attempt before still played it, to where that one
// stood.
func (r *run) takeOver(ctx context.Context) error {
	if r.job.TakeOver == nil {
		return nil
	}
	stood, err := r.job.TakeOver(ctx)
	if err != nil {
		return err
	}
	r.job.TakeOver = nil
	r.mix.goOnFrom(stood)
	r.stay.played, r.plays, r.mix.reel.plays = stood.Played, stood.Loop, stood.Loop
	if !r.mix.feed.seeks {
		return r.mix.feed.skipToNewest(ctx)
	}
	r.position = max(stood.Position, r.job.Options.StartAt)
	reached, err := r.mix.feed.skipTo(ctx, r.position)
	if err != nil {
		return err
	}
	if reached {
		r.mix.align(r.position)
		return nil
	}
	r.closeSource()
	return r.openSource(ctx)
}
