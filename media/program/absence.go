package program

import (
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// absence decides what the rooms get while the source is away: its last keyframe again and
// again, and silence, since players and relays give up where nothing comes.
type absence struct {
	tracks   *roomTracks
	times    *timeline
	mux      *mux
	progress *progress
	keyframe *media.LastKeyframe

	last lastSent
	away bool // the source is being opened again
}

// holdEvery is how often something is made up: as seldom as players bear that
// sound comes in one piece.
const holdEvery = 200 * time.Millisecond

// errHeld says that something has been made up.
var errHeld = errors.New("something is shown meanwhile")

// lastSent is what a room has taken last, and when.
type lastSent struct {
	at    time.Time     // zero: nothing
	dts   time.Duration // room time
	keyed bool          // a picture of the source was among it
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
		l.keyed = true
	}
}

// begin begins the time without a source, unless it has begun: what was made and not sent is
// forgotten.
func (a *absence) begin() {
	if a.away {
		return
	}
	a.away, a.last.at = true, time.Now()
	c := &a.tracks.sound().coverage
	if c.begun && a.last.sound > 0 && c.at+c.lasts > a.last.sound {
		c.at, c.lasts = a.last.sound, 0
	}
	c.closed = min(c.closed, a.last.sound)
}

// holds says whether something can be shown.
func (a *absence) holds() bool { return a.progress.sentAny && a.tracks.planned }

// next returns in how long something is to be made up.
func (a *absence) next() time.Duration { return max(0, holdEvery-time.Since(a.last.at)) }

// hold makes up what is shown and heard until now, and says whether that is anything.
func (a *absence) hold() bool {
	t := a.last.dts + time.Since(a.last.at)
	if a.last.keyed {
		picture, key := a.tracks.picture(), media.Keyframe{}
		for at := max(a.last.picture, t-clock.MaxForward) + clock.FrameHold; at <= t; at += clock.FrameHold {
			if key.Number == 0 {
				key = a.keyframe.Get()
			}
			p := media.Packet{PTS: at, DTS: at, Duration: clock.FrameHold, Keyframe: true, Data: key.Data}
			p.Origin, p.Config = media.Held, key.Config // it may be another than that of what comes
			a.mux.give(media.Video, p)
			a.last.picture, picture.shown = at, max(picture.shown, at)
		}
	}
	a.mux.fillSilence(t)
	for _, kind := range kinds {
		a.mux.fillUntil(kind, t)
	}
	a.last.dts, a.last.at = t, time.Now()
	if len(a.mux.ready) == 0 {
		return false
	}
	a.times.skip(t)
	for kind := range a.tracks.of {
		a.tracks.of[kind].encoded.makeNothingBefore(t)
		a.tracks.of[kind].coverage.holdUntil(t)
	}
	return true
}
