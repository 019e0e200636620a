package hls

import (
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

// When a playlist's clock is taken for another one.
const (
	// maxBackward and maxForward are how far a track's DTS may step within one
	// clock, as media's restamper has it.
	maxBackward = 500 * time.Millisecond
	maxForward  = 10 * time.Second
	// maxApart is how far from the other a track may begin within one clock.
	maxApart = 30 * time.Second
	// From minAside on what was counted has drifted away from the playlist's
	// sum; beyond maxAside it is at no segment's begin.
	minAside = 200 * time.Millisecond
	maxAside = time.Second
	// maxAstray is how far a segment's clock may be from the playlist's sum, if
	// nothing was announced: durations may be rounded, by maxRounded of them.
	maxAstray  = time.Second
	maxRounded = 0.1
	// wrap is what libav adds to a clock that it takes for one that has started
	// again (ISO 13818-1, 2.4.3.7: 33 bits of 1/90000 s).
	wrap = time.Duration(1<<33) * time.Second / 90000
)

// timeline gives a recorded playlist one clock. Its segments may each have one
// of their own, announced by a discontinuity or not: what follows upon a break
// goes on where the track ended, or the other where that went on alone, or where the playlist says when that has
// drifted away.
type timeline struct {
	start  time.Duration // of the leading track, at the source's begin
	begins time.Duration // the source, of which a track may begin later
	shift  time.Duration // of the clock that came last
	tracks [2]trackTime  // by media.MediaType
}

// trackTime is a track's place in the timeline.
type trackTime struct {
	begun   bool
	shift   time.Duration
	end     time.Duration // of the last packet, in the timeline
	decoded time.Duration // its DTS
	hole    time.Duration // that the playlist has before the next packet
}

// begin starts anew with a segment in which the leading track begins at first,
// by the segment's own clock; broken says that there was a discontinuity before it.
func (l *timeline) begin(s segment, first time.Duration, broken bool) {
	apart := l.start + s.begin - first
	limit := maxAstray
	if !broken {
		limit += time.Duration(maxRounded * float64(s.begin))
	}
	if apart.Abs() <= limit {
		apart = 0
	}
	l.shift, l.tracks = apart, [2]trackTime{}
}

// place gives p, of a track of this type, its time in the timeline. opened are the
// segments that were opened last.
func (l *timeline) place(p media.Packet, kind media.MediaType, opened []segment) media.Packet {
	t := &l.tracks[kind]
	other := &l.tracks[1-kind]
	if !t.begun {
		t.shift = l.shift
	}
	if !p.NoDTS {
		if t.strays(p.DTS+t.shift) || !t.begun && other.begun && (p.DTS+t.shift-other.decoded).Abs() > maxApart {
			l.follow(t, p, opened)
		}
		t.begun, t.decoded, t.hole = true, p.DTS+t.shift, 0
		t.end = t.decoded + p.Duration
	}
	if !p.NoPTS {
		p.PTS += t.shift
	}
	if !p.NoDTS {
		p.DTS += t.shift
	}
	return p
}

func (t *trackTime) strays(dts time.Duration) bool {
	return t.begun && (dts < t.decoded-maxBackward || dts > t.decoded+t.hole+maxForward)
}

// follow takes t to the clock of p: the other track's if that one has gone to
// it already. libav may take a step back of only one of them for a wrap.
func (l *timeline) follow(t *trackTime, p media.Packet, opened []segment) {
	for _, other := range l.tracks { // it may have come back to a clock that it had before
		if at := p.DTS + other.shift; other.begun && other.shift != t.shift && (at-other.decoded).Abs() <= maxAside && l.fits(t, at) {
			l.shift, t.shift = other.shift, other.shift
			return
		}
	}
	for _, by := range [...]time.Duration{0, -wrap, wrap} {
		if shift := l.shift + by; shift != t.shift && l.fits(t, p.DTS+shift) {
			t.shift = shift
			return
		}
	}
	at := t.end
	if all := max(l.tracks[0].end, l.tracks[1].end); all-at > minAside {
		at = all // it ended before the other
	}
	l.shift = l.listed(at+t.hole, opened) - p.DTS
	t.shift = l.shift
}

// fits says whether t can go on at dts, or begin there.
func (l *timeline) fits(t *trackTime, dts time.Duration) bool {
	if t.begun {
		return !t.strays(dts)
	}
	return slices.ContainsFunc(l.tracks[:], func(other trackTime) bool { return other.begun && (dts-other.decoded).Abs() <= maxApart })
}

// listed returns at, or where the playlist says that a segment begins there
// about.
func (l *timeline) listed(at time.Duration, opened []segment) time.Duration {
	best, nearest := at, maxAside
	for _, s := range opened {
		begin := l.begins + s.begin
		if off := (begin - at).Abs(); off < nearest {
			best, nearest = begin, off
		}
	}
	if nearest < minAside {
		return at
	}
	return best
}
