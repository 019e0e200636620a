package host

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// further is how much of a source must have come between two deaths for the second
// one to be another.
const further = 2 * time.Second

// mark is how far a source has been given.
type mark struct {
	seek    time.Duration    // the last position sought
	last    [2]time.Duration // times of the last packets, by track
	came    [2]bool
	began   bool          // anything has come that has a time
	reached time.Duration // the furthest time that has come
	died    time.Duration // reached when the host before died, or where it began
	skips   [2]bool       // tracks of which what comes has been given
	lost    bool          // its packets do not tell where it is
}

// timeOf is the time by which packets of a track follow each other.
func timeOf(p media.Packet) (time.Duration, bool) {
	if p.NoDTS {
		return p.PTS, !p.NoPTS
	}
	return p.DTS, true
}

// note notes a packet that is given.
func (m *mark) note(p media.Packet) {
	t, timed := timeOf(p)
	switch {
	case !timed:
	case m.began:
		m.reached = max(m.reached, t)
	default:
		m.began, m.reached, m.died = true, t, t
	}
	switch {
	case m.lost:
	case !timed || p.Track >= len(m.last) || p.Change != nil || m.came[p.Track] && (t < m.last[p.Track] || p.Extradata != nil):
		m.lost = true
	default:
		m.last[p.Track], m.came[p.Track] = t, true
	}
}

// gotFurther says, when a host has died, whether much has come since the last one did,
// or since where it began.
func (m *mark) gotFurther() bool {
	got := m.reached-m.died >= further
	m.died = m.reached
	return got
}

// position is where a source begins that is to go on, counted from its start; begun
// says whether anything of it has been given.
func (m *mark) position(start time.Duration) (at time.Duration, begun bool) {
	for i, came := range m.came {
		if came && (!begun || m.last[i]-start < at) {
			at, begun = m.last[i]-start, true
		}
	}
	return at, begun
}

// skip makes all that has been given be left out.
func (m *mark) skip() { m.skips = m.came }

// has says whether p has been given.
func (m *mark) has(p media.Packet) bool {
	if p.Track >= len(m.skips) || !m.skips[p.Track] {
		return false
	}
	t, timed := timeOf(p)
	m.skips[p.Track] = timed && t <= m.last[p.Track]
	return m.skips[p.Track]
}
