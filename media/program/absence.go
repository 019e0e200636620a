package program

import (
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
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
	key media.Packet  // the last keyframe
	// picture is the room time at which the last picture was shown.
	picture time.Duration
}

func (l *lastSent) note(p media.Packet) {
	l.at, l.dts = time.Now(), p.DTS
	if p.Kind == media.Video {
		l.picture = p.PTS
		if p.Keyframe {
			l.key = p
		}
	}
}

// holdsAbsent says whether something can be shown while the source is away.
func (m *Program) holdsAbsent() bool { return m.sentAny && m.planned }

// nextHold returns in how long something is to be made up.
func (m *Program) nextHold() time.Duration { return max(0, holdEvery-time.Since(m.lastSent.at)) }

// holdAbsent makes up what is shown and heard until now, and says whether that is anything.
func (m *Program) holdAbsent() bool {
	t := m.lastSent.dts + time.Since(m.lastSent.at)
	if key := m.lastSent.key; key.Data != nil {
		for at := max(m.lastSent.picture, t-clock.MaxForward) + clock.FrameHold; at <= t; at += clock.FrameHold {
			p := media.Packet{PTS: at, DTS: at, Duration: clock.FrameHold, Keyframe: true, Data: key.Data}
			p.Origin = media.Held
			m.give(media.Video, p)
			m.lastSent.picture, m.tracks[media.Video].shown = at, max(m.tracks[media.Video].shown, at)
		}
	}
	m.fillSilence(t)
	for kind, track := range m.tracks {
		if l, ok := track.output.(*filledTrack); ok && l.begun {
			for _, p := range l.until(t) {
				m.give(media.MediaType(kind), p)
			}
		}
	}
	m.lastSent.dts, m.lastSent.at = t, time.Now()
	if len(m.ready) == 0 {
		return false
	}
	m.restamp.Next, m.ends = max(m.restamp.Next, t), max(m.ends, t)
	for kind := range m.tracks { // nothing of the source is lost by it
		c := &m.tracks[kind].coverage
		c.instead = instead{}
		if c.begun && c.at+c.lasts < t {
			c.at, c.lasts = t, 0
		}
	}
	return true
}
