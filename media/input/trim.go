package input

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// trim notices where the part of a source that is played ends: with the track
// that leads, and as much of the other as stands behind that in the source.
// Fragments hold all of one track before anything of the other.
type trim struct {
	at     time.Duration // position; 0: the source's end, and of a live source always
	start  time.Duration // DTS of position 0
	leader int           // track
	alone  bool          // there is no other
	newest time.Duration // position of the leader
	seen   bool          // something of the other
	behind time.Duration // the most by which it stood behind the leader
	since  time.Time     // the leader is over; zero: it is not
	over   bool          // nothing of the part is left to be read
}

// straggle is by how much more than before the other track may stand behind.
const straggle = time.Second

func newTrim(i media.SourceInfo, g *clock.StartGate, at time.Duration) trim {
	return trim{at: at, start: i.StartTime, leader: g.Video, alone: len(i.Tracks) == 1}
}

// beyond says whether p lies behind the end. DTS tell: pictures that are shown
// before the end may follow one that is shown after.
func (e *trim) beyond(p *media.Packet) bool {
	if e.at <= 0 || p.NoDTS {
		return false
	}
	at := p.DTS - e.start
	if p.Track != e.leader {
		e.seen, e.behind = true, max(e.behind, e.newest-at)
		e.over = e.over || !e.since.IsZero() && at >= e.at
		return at >= e.at
	}
	e.newest = at
	if at < e.at {
		return false
	}
	if e.since.IsZero() {
		e.since = time.Now()
	}
	wait := clock.AlignSpan
	if e.seen {
		wait = min(e.behind+straggle, clock.AlignSpan)
	}
	e.over = e.alone || at >= e.at+wait || time.Since(e.since) >= clock.AlignWait
	return true
}
