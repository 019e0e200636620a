package program

import (
	"fmt"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

const (
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
	holeLate    = "the room was away, or it or the worker's machine too slow for it, and a live source does not wait; the events of trouble say which"
)

// trackCoverage counts what one track of the room is made of.
type trackCoverage struct {
	media.Coverage
	begun  bool
	at     time.Duration // PTS of the last packet
	lasts  time.Duration // how long it may stand for
	origin media.Origin
	holes  int
	again  bool          // an input has been opened, and may repeat what was counted
	owed   time.Duration // is still to come again, and was counted
	left   time.Time     // when the attempt before was heard of last; zero once that is counted
	late   time.Duration // DTS of the last packet before which some were left out, as the push was late; 0: of none
	closed time.Duration // up to where nothing is to fill what was left out
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

// coverage decides what of the room's tracks counts as taken from the source, as made up
// and as lost, and which hole is told of.
type coverage struct {
	*Config
	tracks *roomTracks
	times  *timeline
	begins coverBegin
}

// coverBegin is the room time of the first packet of an input: both tracks are
// counted from there.
type coverBegin struct {
	known bool
	at    time.Duration
}

// add counts what was shown or heard up to p, and returns the hole before it, 0
// for none.
func (c *trackCoverage) add(kind media.MediaType, p *media.Packet) (hole time.Duration) {
	hole = c.until(kind, p.PTS)
	if p.PTS >= c.at {
		c.at, c.lasts, c.origin = p.PTS, p.Duration, p.Origin
	}
	return hole
}

// until counts up to t.
func (c *trackCoverage) until(kind media.MediaType, t time.Duration) (hole time.Duration) {
	span, at := max(t-c.at, 0), c.lasts
	again := min(span, c.owed)
	c.owed -= again
	span, at = span-again, max(at-again, 0)
	lasts := at + smallHole
	if kind == media.Video && !c.leftOut(c.at, t) {
		lasts = max(at, clock.LongestStand-again)
	}
	if span > lasts {
		hole = span - at
		span = at
	}
	switch c.origin {
	case media.Taken:
		c.Taken += span
		c.goes(min(span, at), max(span-at, 0))
	case media.Held:
		c.Held += span
		c.goes(0, span)
	case media.Filled:
		c.Filled += span
		c.quiet += span
		c.goes(0, span)
	}
	c.Lost += hole
	c.missing = max(c.missing-hole, 0)
	c.settle()
	return hole
}

// leftOut says whether what lies between two times was left out, as the push was late.
func (c *trackCoverage) leftOut(from, to time.Duration) bool {
	return c.late > 0 && from < c.late && c.late <= to+smallHole
}

// goes notes that a track went on, by itself or not.
func (c *trackCoverage) goes(on, stood time.Duration) {
	c.spare += stood
	if c.steady += on; stood > 0 {
		c.steady = 0
	}
	if c.steady > settleTime {
		c.missing, c.spare = 0, 0
	}
}

// miss notes what came and did not get through: what stands in its place is lost.
func (c *trackCoverage) miss(d time.Duration) {
	if d <= 0 || c.owed > 0 {
		return
	}
	c.missing, c.steady = c.missing+d, 0
	c.settle()
}

// settle counts as lost what stood in the place of what is missing.
func (c *trackCoverage) settle() {
	for _, stood := range []*time.Duration{&c.Filled, &c.Held, &c.Taken} {
		d := min(c.missing, c.spare, *stood)
		*stood -= d
		c.Lost += d
		c.missing, c.spare, c.gone = c.missing-d, c.spare-d, c.gone+d
	}
}

// holdUntil goes on at t, up to where the time without a source is: nothing of the source is
// lost by it.
func (c *trackCoverage) holdUntil(t time.Duration) {
	c.instead = instead{}
	if c.begun && c.at+c.lasts < t-smallHole {
		c.at, c.lasts = t, 0
	}
}

// account counts p, which the room gets, and tells of a hole before it.
func (cv *coverage) account(kind media.MediaType, p *media.Packet) {
	track := &cv.tracks.of[kind]
	c := &track.coverage
	if !cv.begins.known {
		cv.begins = coverBegin{known: true, at: p.PTS}
	}
	begins := min(cv.begins.at, p.PTS)
	if c.again {
		cv.goOn(kind, begins, p.Play)
	}
	if !c.begun {
		c.begun, c.at, c.lasts = true, begins, 0
	}
	hole := c.add(kind, p)
	if c.owed == 0 && p.Play >= c.Play && cv.times.input != nil {
		c.Until, c.Play = cv.times.position(c.at), p.Play
	}
	cv.counted(kind, p.PTS-hole, hole, holeNone)
	if track.filled != nil { // its plan says so
		c.quiet = 0
	}
	if p.Origin == media.Taken && c.gone+c.quiet > 0 {
		cv.tellInstead(kind, p.PTS)
	}
}

// tellInstead tells of the hole before a room time in the place of which something
// else was shown or heard.
func (cv *coverage) tellInstead(kind media.MediaType, at time.Duration) {
	c := &cv.tracks.of[kind].coverage
	reason := holeNone
	if c.gone > 0 {
		reason = holeDamaged
	}
	hole := max(c.gone, c.quiet)
	c.gone, c.quiet = 0, 0
	cv.counted(kind, at-hole, hole, reason)
}

// goOn begins to count what an input gives of a play, which begins at a room time: from where
// it was counted to. A file is read from a keyframe before; a live source has gone
// on while nobody had the push.
func (cv *coverage) goOn(kind media.MediaType, begins time.Duration, play int) {
	c := &cv.tracks.of[kind].coverage
	c.again = false
	if c.begun {
		end := min(begins, c.at+c.lasts)
		if c.owed == 0 && c.origin == media.Taken {
			c.Until += max(end-c.at, 0)
		}
		if play > c.Play || !cv.times.input.Seeks { // what comes does so behind it, and not again
			end = begins
		}
		hole := c.until(kind, end)
		cv.counted(kind, end-hole, hole, holeNone)
	}
	c.begun, c.at, c.lasts, c.origin, c.owed, c.instead = true, begins, 0, media.Taken, 0, instead{}
	switch {
	case cv.times.input.Realtime || cv.times.input.Bursty:
		if !c.left.IsZero() {
			hole := max(time.Since(c.left), 0)
			c.Lost += hole
			cv.counted(kind, begins, hole, holeAlone)
		}
	case !cv.times.input.Seeks:
	case play < c.Play:
		c.owed = clock.Forever
	case play == c.Play:
		ahead := cv.times.position(max(begins, cv.times.starts)) - c.Until
		c.owed = max(-ahead, 0)
		c.at -= max(ahead, 0)
	}
	c.left = time.Time{}
}

// goesOn says that another input gives what comes next.
func (cv *coverage) goesOn() {
	cv.begins = coverBegin{}
	any := cv.tracks.of[media.Video].coverage.Total()+cv.tracks.of[media.Audio].coverage.Total() > 0
	for kind := range cv.tracks.of {
		cv.tracks.of[kind].coverage.again = any
	}
}

// goOnFrom makes the program count on from where the attempt before stood.
func (cv *coverage) goOnFrom(stood media.Progress) {
	for kind := range cv.tracks.of {
		cv.tracks.of[kind].coverage = trackCoverage{Coverage: stood.Coverage[kind]}
	}
	cv.goesOn()
	for kind := range cv.tracks.of {
		if c := &cv.tracks.of[kind].coverage; c.again {
			c.left = stood.UpdatedAt
		}
	}
}

// counted passes on what was counted of a track, and tells of a hole at a room
// time, and why it is there.
func (cv *coverage) counted(kind media.MediaType, at, hole time.Duration, reason string) {
	c := &cv.tracks.of[kind].coverage
	if cv.Meter != nil {
		cv.Meter.SetCoverage(kind, c.Coverage)
	}
	if cv.askedFor(kind, at, hole) || hole <= bigHole || c.holes >= mostHoles {
		return
	}
	c.holes++
	if reason == holeNone && c.leftOut(at, at+hole) {
		reason = holeLate
	}
	cv.Observer.Warned(media.WarnHole, holeWarning(kind, cv.times.played(at), hole, reason))
}

// askedFor says whether a hole at a room time is what audioDelayMs makes: at the begin
// where the sound is later, at the end where it is earlier.
func (cv *coverage) askedFor(kind media.MediaType, at, hole time.Duration) bool {
	delay := cv.Options.AudioDelay
	ending := delay < 0 && cv.times.input != nil && cv.times.input.ReadThrough()
	begins := delay > 0 && cv.times.played(at) <= smallHole
	return kind == media.Audio && hole <= delay.Abs()+smallHole && (begins || ending)
}

// end counts up to the end of what is played.
func (cv *coverage) end() {
	for kind := range cv.tracks.of {
		if c := &cv.tracks.of[kind].coverage; c.begun {
			end := c.at + min(c.lasts, clock.MaxFrame)
			if cv.times.ends-end > unevenEnd {
				end = cv.times.ends
			}
			hole := c.until(media.MediaType(kind), end)
			cv.counted(media.MediaType(kind), end-hole, hole, holeNone)
			c.at, c.lasts = end, 0
		}
		cv.tellInstead(media.MediaType(kind), cv.tracks.of[kind].coverage.at)
	}
}

// soundEnd is where the room's sound ends by now: where the picture began, as
// long as there was none.
func (cv *coverage) soundEnd() (end time.Duration, known bool) {
	c, picture := &cv.tracks.sound().coverage, &cv.tracks.picture().coverage
	if c.begun {
		return max(c.at+c.lasts, c.closed), true
	}
	return max(cv.begins.at, c.closed), picture.begun
}

// holeWarning says what is missing where, and why.
func holeWarning(kind media.MediaType, from, hole time.Duration, reason string) string {
	return fmt.Sprintf("nothing of the %s from %v on for %v: %s", media.WordFor(kind), from.Round(smallHole), hole.Round(smallHole), reason)
}
