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
	// Less than leastLost is a few pictures at a splice, a large share of a short clip.
	lostShare = 0.01
	leastLost = 200 * time.Millisecond
	// settleTime is for how long a track goes on before what stood in it is not
	// taken for the place of what came to nothing any more: more than a decoder holds.
	settleTime = 2 * time.Second
)

// Why there is a hole.
const (
	holeNone    = "the source has none there, or it could not be used; check the source at that place"
	holeDamaged = "what the source has there is damaged; check the source at that place"
	holeAlone   = "no worker had the push, and a live source goes on without one"
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
	instead
}

// instead is what there was in the place of what did not come or came to nothing.
type instead struct {
	missing time.Duration // came to nothing, and what stood in its place is not counted yet
	spare   time.Duration // stood, and was counted as something else than lost
	steady  time.Duration // is how long the track has gone on by itself
	gone    time.Duration // was lost since the source's last packet
	quiet   time.Duration // was filled since then
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
		c.goes(min(span, at), max(span-at, 0))
	case held:
		c.Held += span
		c.goes(0, span)
	case filled:
		c.Filled += span
		c.quiet += span
		c.goes(0, span)
	}
	c.Lost += hole
	c.missing = max(c.missing-hole, 0)
	c.settle()
	return hole
}

// goes notes that a track went on, by itself or not.
func (c *cover) goes(on, stood time.Duration) {
	c.spare += stood
	if c.steady += on; stood > 0 {
		c.steady = 0
	}
	if c.steady > settleTime {
		c.missing, c.spare = 0, 0
	}
}

// miss notes what came and did not get through: what stands in its place is lost.
func (c *cover) miss(d time.Duration) {
	if d <= 0 || c.owed > 0 {
		return
	}
	c.missing, c.steady = c.missing+d, 0
	c.settle()
}

// settle counts as lost what stood in the place of what is missing.
func (c *cover) settle() {
	for _, stood := range []*time.Duration{&c.Filled, &c.Held, &c.Taken} {
		d := min(c.missing, c.spare, *stood)
		*stood -= d
		c.Lost += d
		c.missing, c.spare, c.gone = c.missing-d, c.spare-d, c.gone+d
	}
}

// miss notes what of a track came to nothing.
func (m *mixer) miss(media MediaType, d time.Duration) {
	if _, made := m.lanes[media].(*fillLane); !made {
		m.covers[media].miss(d)
	}
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
	m.counted(media, p.PTS-hole, hole, holeNone)
	if _, made := m.lanes[media].(*fillLane); made { // its plan says so
		c.quiet = 0
	}
	if p.origin == taken {
		m.tellInstead(media, p.PTS)
	}
}

// tellInstead tells of the hole before a room time in the place of which something
// else was shown or heard.
func (m *mixer) tellInstead(media MediaType, at time.Duration) {
	c := &m.covers[media]
	reason := holeNone
	if c.gone > 0 {
		reason = holeDamaged
	}
	hole := max(c.gone, c.quiet)
	c.gone, c.quiet = 0, 0
	m.counted(media, at-hole, hole, reason)
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
		m.counted(media, end-hole, hole, holeNone)
	}
	c.begun, c.at, c.lasts, c.origin, c.owed, c.instead = true, begins, 0, taken, 0, instead{}
	switch {
	case m.feed.realtime || m.feed.bursty:
		if !c.left.IsZero() {
			hole := max(time.Since(c.left), 0)
			c.Lost += hole
			m.counted(media, begins, hole, holeAlone)
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
// time, and why it is there.
func (m *mixer) counted(media MediaType, at, hole time.Duration, reason string) {
	c := &m.covers[media]
	if m.meter != nil {
		m.meter.setCoverage(media, c.Coverage)
	}
	if m.askedFor(media, at, hole) || hole <= bigHole || c.holes >= mostHoles || m.onHole == nil {
		return
	}
	c.holes++
	m.onHole(media, m.played(at), hole, reason)
}

// askedFor says whether a hole at a room time is what audioDelayMs makes: at the begin
// where the sound is later, at the end where it is earlier.
func (m *mixer) askedFor(media MediaType, at, hole time.Duration) bool {
	delay := m.reel.options.AudioDelay
	ending := delay < 0 && m.feed != nil && m.feed.readThrough()
	begins := delay > 0 && m.played(at) <= smallHole
	return media == Audio && hole <= delay.Abs()+smallHole && (begins || ending)
}

// accountEnd counts up to the end of what is played.
func (m *mixer) accountEnd() {
	for media := range m.covers {
		if c := &m.covers[media]; c.begun {
			end := c.at + min(c.lasts, maxFrame)
			if m.ends-end > unevenEnd {
				end = m.ends
			}
			hole := c.until(MediaType(media), end)
			m.counted(MediaType(media), end-hole, hole, holeNone)
			c.at, c.lasts = end, 0
		}
		m.tellInstead(MediaType(media), m.covers[media].at)
	}
}

// warnOfLosses says of a push that is over what of it was lost.
func (r *run) warnOfLosses() {
	for media, c := range r.job.Meter.Snapshot(time.Now()).Coverage {
		if part := c.lostPart(); part > lostShare && c.Lost >= leastLost {
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

// holeWarning says what is missing where, and why.
func holeWarning(media MediaType, from, hole time.Duration, reason string) string {
	return fmt.Sprintf("nothing of the %s from %v on for %v: %s", wordFor(media), from.Round(smallHole), hole.Round(smallHole), reason)
}

// lostPart is how much of the track was lost, of all.
func (c Coverage) lostPart() float64 {
	if all := c.total(); all > 0 {
		return float64(c.Lost) / float64(all)
	}
	return 0
}
