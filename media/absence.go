package media

import (
	"errors"
	"time"
)

// While a source is away, its rooms are given its last keyframe again and again, and
// silence: players and relays give up where nothing comes.

const (
	// holdEvery is how often something is made up: as seldom as players bear that
	// sound comes in one piece.
	holdEvery = 200 * time.Millisecond
)

// errHeld says that something has been made up.
var errHeld = errors.New("something is shown meanwhile")

// lastSent is what a room has taken last, and when.
type lastSent struct {
	at  time.Time     // zero: nothing
	dts time.Duration // room time
	key Packet        // the last keyframe
	// picture is the room time at which the last picture was shown.
	picture time.Duration
}

func (l *lastSent) note(p Packet) {
	l.at, l.dts = time.Now(), p.DTS
	if p.kind == Video {
		l.picture = p.PTS
		if p.Keyframe {
			l.key = p
		}
	}
}

// holds says whether something can be shown while the source is away.
func (m *mixer) holds() bool { return m.sentAny && m.planned }

// holdsIn returns in how long something is to be made up.
func (m *mixer) holdsIn() time.Duration { return max(0, holdEvery-time.Since(m.lastSent.at)) }

// hold makes up what is shown and heard until now, and says whether that is anything.
func (m *mixer) hold() bool {
	t := m.lastSent.dts + time.Since(m.lastSent.at)
	if key := m.lastSent.key; key.Data != nil {
		for at := max(m.lastSent.picture, t-maxForward) + stillTime; at <= t; at += stillTime {
			p := Packet{PTS: at, DTS: at, Duration: stillTime, Keyframe: true, Data: key.Data}
			p.origin = held
			m.give(Video, p)
			m.lastSent.picture, m.shown[Video] = at, max(m.shown[Video], at)
		}
	}
	m.hush(t)
	for media, l := range m.lanes {
		if l, ok := l.(*fillLane); ok && l.begun {
			for _, p := range l.until(t) {
				m.give(MediaType(media), p)
			}
		}
	}
	m.lastSent.dts, m.lastSent.at = t, time.Now()
	if len(m.ready) == 0 {
		return false
	}
	m.restamp.next, m.ends = max(m.restamp.next, t), max(m.ends, t)
	for media := range m.covers { // nothing of the source is lost by it
		c := &m.covers[media]
		c.instead = instead{}
		if c.begun && c.at+c.lasts < t {
			c.at, c.lasts = t, 0
		}
	}
	return true
}
