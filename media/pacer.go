package media

import (
	"context"
	"time"
)

// maxSlip is how far a file may fall behind before its clock is moved instead
// of being caught up: more would reach viewers as a burst.
const maxSlip = time.Second

// pacer releases packets when their time has come: DTS against the monotonic
// clock, counted from the first packet, so that nothing adds up to a drift.
type pacer struct {
	anchor time.Time     // when base was, or would have been, sent
	base   time.Duration // DTS at anchor
	newest time.Duration // highest DTS so far
	timer  *time.Timer
}

// reset makes the next packet start the clock anew.
func (p *pacer) reset() { p.anchor = time.Time{} }

// wait returns when dts is due, with how late it is by then, or when ctx ends.
func (p *pacer) wait(ctx context.Context, dts time.Duration) (late time.Duration, err error) {
	now := time.Now()
	if p.anchor.IsZero() {
		p.anchor, p.base, p.newest = now, dts, dts
	}
	due := p.anchor.Add(dts - p.base)
	if ahead := due.Sub(now); ahead > 0 {
		if err := p.sleep(ctx, ahead); err != nil {
			return 0, err
		}
		now = time.Now()
	}
	late = now.Sub(due)
	// A packet that only stands late in the file, behind one of the other
	// track with a higher DTS, says nothing about the clock.
	if late > maxSlip && dts >= p.newest {
		p.anchor = p.anchor.Add(late)
	}
	p.newest = max(p.newest, dts)
	return late, nil
}

func (p *pacer) sleep(ctx context.Context, d time.Duration) error {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	} else {
		p.timer.Reset(d)
	}
	select {
	case <-p.timer.C:
		return nil
	case <-ctx.Done():
		p.timer.Stop()
		return context.Cause(ctx)
	}
}
