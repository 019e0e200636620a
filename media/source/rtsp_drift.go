package source

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// mostDrift is by how much sound may leave its picture before it is moved back: less is
	// not noticed.
	mostDrift = 40 * time.Millisecond
	// driftStep is the part of its time that sound is moved by: more than clocks are wrong
	// by, and so little that the jitter of the reports, or one that is wrong, matters not.
	driftStep = 1000
	// wildDrift is no clock's error: what tells of it is not believed any more.
	wildDrift = time.Second
)

// driftWatch keeps sound beside its picture. Cameras time the two by clocks of their own,
// of which each is a little wrong: within a day they are seconds apart. Their sender reports
// tell (RFC 3550, 6.4.1).
type driftWatch struct {
	wall   [2]time.Duration // by MediaType: what is to be added to a track's time for the wall clock's
	told   [2]bool
	known  bool          // apart is
	apart  time.Duration // of the two, when both were told first: that is how they belong together
	moved  time.Duration // sound
	last   time.Duration // time of sound
	absurd bool
}

// note notes that a track's time is a moment of the wall clock.
func (w *driftWatch) note(kind media.MediaType, at time.Duration, wall time.Time) {
	w.wall[kind], w.told[kind] = time.Duration(wall.UnixNano())-at, true
	if !w.told[1-kind] || w.absurd {
		return
	}
	apart := w.wall[media.Audio] - w.wall[media.Video]
	if !w.known {
		w.known, w.apart = true, apart
	}
	off := apart - w.apart - w.moved
	if w.absurd = off.Abs() > wildDrift; w.absurd || kind == media.Video {
		return
	}
	step := min(max(at-w.last, 0), time.Second) / driftStep
	w.last = at
	switch {
	case off > mostDrift:
		w.moved += step
	case off < -mostDrift:
		w.moved -= step
	}
}
