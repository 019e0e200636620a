package clock

import (
	"context"
	"time"
)

// How far a push may fall behind before its clock is moved instead of being
// caught up. More would reach viewers as a burst; a live source that ran dry
// must not be caught up at all, or it runs dry with its next segment again.
const (
	maxSlip     = time.Second
	maxSlipLive = 300 * time.Millisecond
)

// BatchSpan is how much media goes out at once, and how far apart the moments are at
// which that happens: they are the same for all pushes, so that the machine wakes once
// for many. A batch goes out at the last of them before it is due: viewers keep several
// times as much, and a picture that comes 40 ms early is shown no sooner for it.
const BatchSpan = 40 * time.Millisecond

// Pacer releases packets when their time has come: DTS against the monotonic
// clock, counted from the first packet, so that nothing adds up to a drift.
// For a live source that comes in bursts, Follow makes its clock the source's.
// The zero value is ready.
type Pacer struct {
	anchor  time.Time     // when base was, or would have been, sent
	base    time.Duration // DTS at anchor
	newest  time.Duration // highest DTS so far
	timer   *time.Timer
	slip    time.Duration
	blocked time.Duration // how much of being late now is the room's doing
	behind  time.Duration // how much of slip is the room's doing, and was not caught up since
	leftOut time.Duration // how much of the media was left out so far
	follows bool
	drift   drift
	fallen  time.Duration // of a source that is not paced: how far the last packet was behind
}

// Reset makes the next packet start the clock anew (after a pause, a seek,
// another source). What Follow has learned is forgotten.
func (p *Pacer) Reset() {
	p.anchor = time.Time{}
	p.blocked, p.behind = 0, 0
	p.follows, p.drift = false, drift{}
}

// Slipped returns by how much the clock was moved in all, since the pacer was
// made: how much longer the push takes than its media, that which was left out
// included.
func (p *Pacer) Slipped() time.Duration { return p.slip }

// Follow says how much media of a live source that comes in bursts has come and
// not been taken; it is called before each packet is taken, so that it is told
// when there was none. The clock then runs up to maxCorrection faster or
// slower, so that in the long run it neither runs dry nor falls behind.
func (p *Pacer) Follow(buffered time.Duration) {
	p.follows = true
	p.behind = min(p.behind, buffered) // what has not come is not the room's fault
	rate, changed := p.drift.follow(time.Now(), buffered)
	if !changed || p.anchor.IsZero() {
		return
	}
	media := p.newest - p.base
	p.behind = max(0, p.behind-max(0, media-p.drift.scale(media)))
	p.anchor, p.base = p.due(p.newest), p.newest
	p.drift.rate = rate
}

// Wrote says how long the room took for a packet.
func (p *Pacer) Wrote(took time.Duration) { p.blocked += took }

// Wanted returns how much of a live source that comes in bursts should be left
// out, in all, for the push to be where it was before the room was slow.
func (p *Pacer) Wanted() time.Duration { return p.leftOut + p.behind }

// Skip says how much had been left out, in all, before the next packet: its
// DTS has a gap of that length, and it is due that much earlier.
func (p *Pacer) Skip(leftOut time.Duration) {
	d := leftOut - p.leftOut
	if d <= 0 {
		return
	}
	p.leftOut = leftOut
	if p.anchor.IsZero() {
		return
	}
	p.anchor, p.slip, p.behind = p.anchor.Add(-d), p.slip-d, max(0, p.behind-d)
}

// due is when dts is to be sent.
func (p *Pacer) due(dts time.Duration) time.Time {
	return p.anchor.Add(p.drift.scale(dts - p.base))
}

// Together returns up to which DTS what there is goes out with a packet of dts. Both
// are as they are before Monotonic: what it makes of them says when they are due.
func (p *Pacer) Together(dts time.Duration) (end time.Duration) {
	dts = dts.Truncate(Tick)
	due := p.due(dts)
	if p.anchor.IsZero() {
		due = time.Now()
	}
	return (dts + BatchSpan - sinceMoment(due) + Tick - 1).Truncate(Tick)
}

// sinceMoment is how long before t the last of the moments was at which batches go out.
func sinceMoment(t time.Time) time.Duration { return time.Duration(t.UnixNano()) % BatchSpan }

// Wait returns when dts is due, with how late it is by then, or when ctx ends.
func (p *Pacer) Wait(ctx context.Context, dts time.Duration) (late time.Duration, err error) {
	return p.wait(ctx, dts, 0)
}

// WaitForBatch is Wait for a batch whose first packet has dts, and returns up to
// BatchSpan before that is due.
func (p *Pacer) WaitForBatch(ctx context.Context, dts time.Duration) (late time.Duration, err error) {
	if p.anchor.IsZero() {
		return p.wait(ctx, dts, 0)
	}
	return p.wait(ctx, dts, sinceMoment(p.due(dts)))
}

// wait returns early before dts is due.
func (p *Pacer) wait(ctx context.Context, dts, early time.Duration) (late time.Duration, err error) {
	now := time.Now()
	if p.anchor.IsZero() {
		p.anchor, p.base, p.newest = now, dts, dts
	}
	due := p.due(dts)
	if ahead := due.Sub(now) - early; ahead > 0 {
		if err := p.sleep(ctx, ahead); err != nil {
			return 0, err
		}
		now = time.Now()
	}
	late = max(0, now.Sub(due))
	p.blocked = max(0, min(p.blocked, late)) // the rest was caught up
	limit := maxSlip
	if p.follows {
		limit = maxSlipLive
	}
	// A packet that only stands late in the file, behind one of the other
	// track with a higher DTS, says nothing about the clock.
	if late > limit && dts >= p.newest {
		p.anchor = p.anchor.Add(late)
		p.slip += late
		p.behind, p.blocked = p.behind+p.blocked, 0
	}
	p.newest = max(p.newest, dts)
	return late, nil
}

// Fall returns how far a source that is not paced has fallen behind since the
// clock was started: of its packets the one that came earliest tells.
func (p *Pacer) Fall(dts time.Duration) time.Duration {
	now := time.Now()
	switch {
	case p.anchor.IsZero(), dts >= p.newest && now.Before(p.due(dts)):
		p.anchor, p.base, p.newest, p.fallen = now, dts, dts, 0
	case dts >= p.newest: // others come late behind those of the other track
		p.newest, p.fallen = dts, now.Sub(p.due(dts))
	}
	return p.fallen
}

func (p *Pacer) sleep(ctx context.Context, d time.Duration) error {
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

// How the clock of a bursty live source is followed. What is buffered goes up
// by a segment and down again; what tells the drift is its least value over
// several segments.
const (
	troughSlot  = 5 * time.Second
	troughSlots = 6 // 30 s: at least three segments of the usual sizes
	// The least that should be buffered is what it was at first, within these.
	// A queue must hold more than maxBuffer, or a source that is fast looks as
	// if it were not.
	minBuffer = 2 * time.Second
	maxBuffer = 6 * time.Second
	// maxCorrection bounds the change of speed, correctionGain is that for each
	// second too much or too little: 500 ppm, a bad quartz, cost 0.25 s.
	maxCorrection  = 0.01
	correctionGain = 0.002
)

// drift watches what is buffered and says how fast to send.
type drift struct {
	rate    float64 // media per second of ours, minus 1
	target  time.Duration
	troughs [troughSlots]time.Duration // least buffered in each of the last slots
	slots   int                        // begun so far
	until   time.Time                  // end of the present one
	checked time.Time                  // when the rate was last worked out
}

// follow notes what is buffered at now, and returns the rate to go on with and
// whether that was worked out anew: once a second.
func (d *drift) follow(now time.Time, buffered time.Duration) (rate float64, changed bool) {
	if !now.Before(d.until) {
		// The first slot is that of the first burst and does not count.
		d.slots++
		d.until = now.Add(troughSlot)
		d.troughs[d.slots%troughSlots] = buffered
	}
	slot := &d.troughs[d.slots%troughSlots]
	*slot = min(*slot, buffered)
	if d.slots < troughSlots+2 || now.Sub(d.checked) < time.Second {
		return d.rate, false
	}
	d.checked = now
	least := d.troughs[0]
	for _, t := range d.troughs[1:] {
		least = min(least, t)
	}
	if d.target == 0 {
		d.target = max(minBuffer, min(least, maxBuffer))
	}
	rate = (least - d.target).Seconds() * correctionGain
	return max(-maxCorrection, min(rate, maxCorrection)), true
}

// scale turns media time into ours.
func (d *drift) scale(media time.Duration) time.Duration {
	if d.rate == 0 {
		return media
	}
	return time.Duration(float64(media) / (1 + d.rate))
}
