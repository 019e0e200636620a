package clock

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// What the clocks of a realtime source may do before they are not believed.
const (
	// mostStep is by how much a track's clock may run ahead of the other's at
	// once: as little as it may step back.
	mostStep = MaxBackward
	// mostApart is how far apart interleaved tracks may begin: more than muxers and
	// encoders hold one of them back.
	mostApart = 2 * time.Second
)

// StepRemover takes out of a realtime source what moves one of its two tracks away
// from the other although both come as before: what comes together belongs
// together. Holes it leaves alone: in their time the other track has gone on, or
// none has come.
type StepRemover struct {
	tracks      [2]steppedClock
	Interleaved bool // tracks that begin apart are so by their clocks, too
}

type steppedClock struct {
	begun   bool
	shift   time.Duration // is added to the source's times
	last    time.Duration // DTS, shifted
	spacing time.Duration // from packet to packet
	came    time.Time     // when last did
}

// expected is where the track is at now if it goes on.
func (c *steppedClock) expected(now time.Time) time.Duration { return c.last + now.Sub(c.came) }

// Remove gives a packet that comes at now its time without the steps.
func (s *StepRemover) Remove(p media.Packet, now time.Time) media.Packet {
	if p.NoDTS || !believable(p.DTS) {
		return p
	}
	c, other := &s.tracks[p.Track], &s.tracks[1-p.Track]
	switch {
	case !other.begun:
	case c.begun:
		c.watch(p.DTS, other, now)
	case s.Interleaved:
		c.join(p.DTS, other, now)
	}
	dts := p.DTS + c.shift
	if step := dts - c.last; c.begun && step > 0 && step <= MaxFrame {
		c.spacing = step
	}
	c.begun, c.last, c.came = true, dts, now
	p.DTS, p.PTS = dts, p.PTS+c.shift
	return p
}

// join begins beside the other track.
func (c *steppedClock) join(dts time.Duration, other *steppedClock, now time.Time) {
	if at := other.expected(now); (dts - at).Abs() > mostApart {
		c.shift = at - dts
	}
}

// watch looks whether the clock has stepped before dts.
func (c *steppedClock) watch(dts time.Duration, other *steppedClock, now time.Time) {
	step := dts + c.shift - c.last - c.spacing
	without := c.shift - step
	switch {
	case step.Abs() <= mostStep:
	case (without - other.shift).Abs() <= maxJitter: // as the other's has
		c.shift = other.shift
	case step > 0 && dts+c.shift > other.expected(now)+mostStep:
		c.shift = without
	}
}
