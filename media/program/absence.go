package program

import (
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// While a source is away, its rooms are given its last keyframe again and again, and
// silence: players and relays give up where nothing comes.

// holdEvery is how often something is made up: as seldom as players bear that
// sound comes in one piece.
const holdEvery = 200 * time.Millisecond

// errHeld says that something has been made up.
var errHeld = errors.New("something is shown meanwhile")

// lastSent is what a room has taken last, and when.
type lastSent struct {
	at  time.Time     // zero: nothing
	dts time.Duration // room time
	key media.Packet  // the last keyframe
	// picture is the room time at which the last picture was shown, sound the one at
	// which the last sound ended.
	picture, sound time.Duration
}

func (l *lastSent) note(p *media.Packet, now time.Time) {
	if p.Kind == media.Audio {
		l.sound = p.PTS + p.Duration
	} else {
		l.picture = p.PTS
	}
	if p.Origin != media.Taken { // made up: it says nothing of the source
		return
	}
	l.at, l.dts = now, p.DTS
	if p.Kind == media.Video && p.Keyframe {
		l.key = *p
	}
}

// goAway begins the time without a source: what was made and not sent is forgotten.
func (pg *Program) goAway() {
	pg.absent, pg.lastSent.at = true, time.Now()
	if c := &pg.tracks[media.Audio].coverage; c.begun && pg.lastSent.sound > 0 && c.at+c.lasts > pg.lastSent.sound {
		c.at, c.lasts = pg.lastSent.sound, 0
	}
}

// holdsAbsent says whether something can be shown while the source is away.
func (pg *Program) holdsAbsent() bool { return pg.sentAny && pg.planned }

// nextHold returns in how long something is to be made up.
func (pg *Program) nextHold() time.Duration { return max(0, holdEvery-time.Since(pg.lastSent.at)) }

// holdAbsent makes up what is shown and heard until now, and says whether that is anything.
func (pg *Program) holdAbsent() bool {
	t := pg.lastSent.dts + time.Since(pg.lastSent.at)
	if key := pg.lastSent.key; key.Data != nil {
		for at := max(pg.lastSent.picture, t-clock.MaxForward) + clock.FrameHold; at <= t; at += clock.FrameHold {
			p := media.Packet{PTS: at, DTS: at, Duration: clock.FrameHold, Keyframe: true, Data: key.Data}
			p.Origin = media.Held
			pg.give(media.Video, p)
			pg.ready[len(pg.ready)-1].Config = key.Config // it may be another than that of what comes
			pg.lastSent.picture, pg.tracks[media.Video].shown = at, max(pg.tracks[media.Video].shown, at)
		}
	}
	pg.fillSilence(t)
	pg.fillUntil(media.Video, t)
	pg.fillUntil(media.Audio, t)
	pg.lastSent.dts, pg.lastSent.at = t, time.Now()
	if len(pg.ready) == 0 {
		return false
	}
	pg.restamp.Next, pg.ends = max(pg.restamp.Next, t), max(pg.ends, t)
	for kind := range pg.tracks {
		if l, ok := pg.tracks[kind].output.(*encodedTrack); ok {
			l.makeNothingBefore(t)
		}
		c := &pg.tracks[kind].coverage // nothing of the source is lost by it
		c.instead = instead{}
		if c.begun && c.at+c.lasts < t-smallHole {
			c.at, c.lasts = t, 0
		}
	}
	return true
}
