package bitstream

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// farthestBack is how far a PTS may step back within one clock: more is another one.
const farthestBack = time.Second

// OrderWatch notices B-frames: pictures whose PTS do not rise in the order of
// their DTS. A constant distance between PTS and DTS is none, nor is a clock that steps
// back: it takes both with it.
type OrderWatch struct {
	any      bool
	pts, dts time.Duration // of the last picture
}

func (w *OrderWatch) Reordered(p *media.Packet) bool {
	if p.NoPTS {
		return false
	}
	back := w.any && p.PTS < w.pts && w.pts-p.PTS < farthestBack && (p.NoDTS || p.DTS >= w.dts)
	w.any, w.pts, w.dts = true, p.PTS, p.DTS
	return back
}

// RateWatch counts pictures over the time between them.
type RateWatch struct {
	pictures int // with a DTS
	first    time.Duration
}

// Fps returns how many pictures a second have come, p included; 0 when that is
// not known.
func (w *RateWatch) Fps(p media.Packet) float64 {
	if p.NoDTS {
		return 0
	}
	if w.pictures++; w.pictures == 1 {
		w.first = p.DTS
	}
	span := p.DTS - w.first
	if span <= 0 {
		return 0
	}
	return float64(w.pictures-1) / span.Seconds()
}

// CutWatch looks for pictures that the container leaves out.
type CutWatch struct {
	shown  bool          // there was one that is not left out
	before time.Duration // how much of the others came one after the other
}

// Cut says whether p is one of more than may be shown: in the middle, of any.
func (w *CutWatch) Cut(p *media.Packet) bool {
	if !p.Discard {
		w.before, w.shown = 0, true
		return false
	}
	over := w.shown || w.before > leftOutShown
	w.before += p.Duration
	return over
}

// leftOutShown is how much may be shown, by copy, of what the container leaves out.
const leftOutShown = 100 * time.Millisecond
