package media

import "time"

// ending notices where the part of a source that is played ends: with the first
// packet of each track behind it. Fragments hold all of one track before anything
// of the other, which is read on for as long as it is waited for elsewhere.
type ending struct {
	at    time.Duration // position; 0: the source's end, and of a live source always
	start time.Duration // DTS of position 0
	left  int           // tracks of which more is to be read
	done  [2]bool
}

func newEnding(i SourceInfo, at time.Duration) ending {
	return ending{at: at, start: i.StartTime, left: len(i.Tracks)}
}

// beyond says whether p lies behind the end. DTS tell: pictures that are shown
// before the end may follow one that is shown after.
func (e *ending) beyond(p Packet) bool {
	at := p.DTS - e.start
	if e.at <= 0 || p.NoDTS || at < e.at {
		return false
	}
	if !e.done[p.Track] {
		e.done[p.Track] = true
		e.left--
	}
	if at >= e.at+fileWeave { // the other track has no more
		e.left = 0
	}
	return true
}

// over says that nothing of the part is left to be read.
func (e *ending) over() bool { return e.at > 0 && e.left == 0 }
