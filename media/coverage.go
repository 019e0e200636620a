package media

import (
	"fmt"
	"time"
)

// Coverage is of what a track of the room was made, in media time, over all
// attempts of the push. What was lost is neither shown nor heard: there was
// nothing in its place. What is played twice is counted once.
type Coverage struct {
	Taken  time.Duration // from the source
	Held   time.Duration // its last picture, shown again
	Filled time.Duration // silence or black
	Lost   time.Duration
	// Until, in play Play of the source, is the position up to which all that
	// was counted.
	Until time.Duration
	Play  int
}

func (c Coverage) total() time.Duration { return c.Taken + c.Held + c.Filled + c.Lost }

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
	at     time.Duration // PTS of the last packet
	lasts  time.Duration // how long it may stand for
	origin origin
	holes  int
	again  bool          // a feed has been opened, and may repeat what was counted
	owed   time.Duration // is still to come again, and was counted
	left   time.Time     // when the attempt before was heard of last; zero once that is counted
}

// coverBegin is the room time of the first packet of a feed: both tracks are
// counted from there.
type coverBegin struct {
	known bool
	at    time.Duration
}

// add counts what was shown or heard up to p, and returns the hole before it, 0
// for none.
func (c *cover) add(media MediaType, p Packet) (hole time.Duration) {
	hole = c.until(media, p.PTS)
	if p.PTS >= c.at {
		c.at, c.lasts, c.origin = p.PTS, p.Duration, p.origin
	}
	return hole
}

// until counts up to t.
func (c *cover) until(media MediaType, t time.Duration) (hole time.Duration) {
	span, at := max(t-c.at, 0), c.lasts
	again := min(span, c.owed)
	c.owed -= again
	span, at = span-again, max(at-again, 0)
	lasts := at + smallHole
	if media == Video {
		lasts = max(at, longestStand-again)
	}
	if span > lasts {
		hole = span - at
		span = at
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
	if !m.coverBegin.known {
		m.coverBegin = coverBegin{known: true, at: p.PTS}
	}
	begins := min(m.coverBegin.at, p.PTS)
	if c.again {
		m.goOn(media, begins)
	}
	if !c.begun {
		c.begun, c.at, c.lasts = true, begins, 0
	}
	hole := c.add(media, p)
	if c.owed == 0 && m.reel.plays >= c.Play {
		c.Until, c.Play = m.position(Packet{PTS: c.at}), m.reel.plays
	}
	m.counted(media, p.PTS-hole, hole)
}

// goOn begins to count what a feed gives, which begins at a room time: from where
// it was counted to. A file is read from a keyframe before; a live source has gone
// on while nobody had the push.
func (m *mixer) goOn(media MediaType, begins time.Duration) {
	c := &m.covers[media]
	c.again = false
	if c.begun {
		end := min(begins, c.at+c.lasts)
		if c.owed == 0 {
			c.Until += max(end-c.at, 0)
		}
		if m.reel.plays > c.Play || !m.feed.seeks { // what comes does so behind it, and not again
			end = begins
		}
		hole := c.until(media, end)
		m.counted(media, end-hole, hole)
	}
	c.begun, c.at, c.lasts, c.origin, c.owed = true, begins, 0, taken, 0
	switch {
	case m.feed.realtime || m.feed.bursty:
		if !c.left.IsZero() {
			c.Lost += max(time.Since(c.left), 0)
		}
	case !m.feed.seeks:
	case m.reel.plays < c.Play:
		c.owed = forever
	case m.reel.plays == c.Play:
		ahead := m.position(Packet{PTS: begins}) - c.Until
		c.owed = max(-ahead, 0)
		c.at -= max(ahead, 0)
	}
	c.left = time.Time{}
}

// goesOn says that another feed gives what comes next.
func (m *mixer) goesOn() {
	m.coverBegin = coverBegin{}
	any := m.covers[Video].total()+m.covers[Audio].total() > 0
	for media := range m.covers {
		m.covers[media].again = any
	}
}

// goOnFrom makes the mixer count on from where the attempt before stood.
func (m *mixer) goOnFrom(stood Progress) {
	for media := range m.covers {
		m.covers[media] = cover{Coverage: stood.Coverage[media]}
	}
	m.goesOn()
	for media := range m.covers {
		if c := &m.covers[media]; c.again {
			c.left = stood.UpdatedAt
		}
	}
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
			hole := c.until(MediaType(media), m.ends)
			m.counted(MediaType(media), m.ends-hole, hole)
			c.at, c.lasts = max(c.at, m.ends), 0
		}
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (r *run) warnOfLosses() {
	for media, c := range r.job.Meter.Snapshot(time.Now()).Coverage {
		if part := c.lostPart(); part > lostShare {
			r.job.Observer.Warned(WarnLost, fmt.Sprintf("%.0f %% of the %s was lost, %v of %v: the source has none there, or it could not be used, or no worker had the push; the warnings of holes say where", 100*part, wordFor(MediaType(media)),
				c.Lost.Round(smallHole), c.total().Round(smallHole)))
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
	return fmt.Sprintf("nothing of the %s from %v on for %v: the source has none there, or it could not be used; check the source at that place",
		wordFor(media), from.Round(smallHole), hole.Round(smallHole))
}

// lostPart is how much of the track was lost, of all.
func (c Coverage) lostPart() float64 {
	if all := c.total(); all > 0 {
		return float64(c.Lost) / float64(all)
	}
	return 0
}
