package media

import (
	"fmt"
	"time"
)

// Coverage is of what a track of the room was made, in media time. What was lost
// is neither shown nor heard: there was nothing in its place.
type Coverage struct {
	Taken  time.Duration // from the source
	Held   time.Duration // its last picture, shown again
	Filled time.Duration // silence or black
	Lost   time.Duration
}

// origin is where a packet for the room comes from.
type origin int

const (
	taken origin = iota
	held
	filled
)

const (
	// longestStand is for how long a picture may stand that is not sent again.
	longestStand = stillTime + 100*time.Millisecond
	// smallHole is a hole in the sound that nobody hears: a rounding, a priming.
	smallHole = 100 * time.Millisecond
	// bigHole is one that its user is told of; mostHoles how many of them.
	bigHole = time.Second
	// unevenEnd is by how much one track may end before the other.
	unevenEnd = 500 * time.Millisecond
	mostHoles = 20
	// lostShare is how much of a push may be lost before its end says so.
	lostShare = 0.01
)

// cover counts what one track of the room is made of.
type cover struct {
	Coverage
	begun  bool
	first  time.Duration // PTS of the first packet
	at     time.Duration // PTS of the last packet
	lasts  time.Duration // how long it may stand for
	origin origin
	holes  int
}

// add counts what was shown or heard up to p, and returns the hole before it, 0
// for none.
func (c *cover) add(media MediaType, p Packet) (hole time.Duration) {
	if c.begun {
		hole = c.until(media, p.PTS)
	}
	if !c.begun {
		c.first = p.PTS
	}
	if !c.begun || p.PTS >= c.at {
		c.begun, c.at, c.lasts, c.origin = true, p.PTS, p.Duration, p.origin
	}
	return hole
}

// until counts up to t.
func (c *cover) until(media MediaType, t time.Duration) (hole time.Duration) {
	span := max(t-c.at, 0)
	lasts := c.lasts + smallHole
	if media == Video {
		lasts = max(c.lasts, longestStand)
	}
	if span > lasts {
		hole = span - c.lasts
		span = c.lasts
	}
	switch c.origin {
	case taken:
		c.Taken += span
	case held:
		c.Held += span
	case filled:
		c.Filled += span
	}
	c.Lost += hole
	return hole
}

// skip goes on at t: what lies before was left out on purpose.
func (c *cover) skip(t time.Duration) {
	c.Lost += max(t-c.at-c.lasts, 0)
	c.begun = false
}

// account counts p, which the room gets, and tells of a hole before it.
func (m *mixer) account(media MediaType, p Packet) {
	c := &m.covers[media]
	if other := &m.covers[1-media]; !c.begun && other.begun {
		c.begun, c.at, c.lasts = true, min(other.first, p.PTS), 0 // both begin with the push
	}
	at := c.at + c.lasts
	m.counted(media, at, c.add(media, p))
}

// counted passes on what was counted of a track, and tells of a hole at a room
// time.
func (m *mixer) counted(media MediaType, at, hole time.Duration) {
	c := &m.covers[media]
	if m.meter != nil {
		m.meter.setCoverage(media, c.Coverage)
	}
	if hole <= bigHole || c.holes >= mostHoles || m.onHole == nil {
		return
	}
	c.holes++
	m.onHole(media, m.position(Packet{PTS: at}), hole)
}

// accountEnd counts up to the end of what is played.
func (m *mixer) accountEnd() {
	for media := range m.covers {
		if c := &m.covers[media]; c.begun && m.ends-c.at-c.lasts > unevenEnd {
			at := c.at + c.lasts
			m.counted(MediaType(media), at, c.until(MediaType(media), m.ends))
			c.at, c.lasts = max(c.at, m.ends), 0
		}
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (r *run) warnOfLosses() {
	for media, c := range r.job.Meter.Snapshot(time.Now()).Coverage {
		if part := c.lostPart(); part > lostShare {
			r.job.Observer.Warned(WarnLost, fmt.Sprintf("%.0f %% of the %s was lost: %v of %v", 100*part, wordFor(MediaType(media)),
				c.Lost.Round(smallHole), (c.Taken+c.Held+c.Filled+c.Lost).Round(smallHole)))
		}
	}
}

func wordFor(media MediaType) string {
	if media == Video {
		return "picture"
	}
	return "sound"
}

// holeWarning says what is missing where.
func holeWarning(media MediaType, from, hole time.Duration) string {
	return fmt.Sprintf("nothing of the %s from %v on for %v: the source has none there, or it could not be used",
		wordFor(media), from.Round(smallHole), hole.Round(smallHole))
}

// lostPart is how much of the track was lost, of all.
func (c Coverage) lostPart() float64 {
	if all := c.Taken + c.Held + c.Filled + c.Lost; all > 0 {
		return float64(c.Lost) / float64(all)
	}
	return 0
}
