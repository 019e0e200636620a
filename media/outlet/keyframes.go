package outlet

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// keyWatch notices once that keyframes are further apart than the room advises.
type keyWatch struct {
	limit time.Duration // 0: there is no advice
	any   bool
	last  time.Duration // DTS of the last keyframe
	told  bool
}

func (w *keyWatch) tooFar(p *media.Packet) bool {
	if p.Keyframe {
		w.any, w.last = true, p.DTS
	}
	far := w.any && !w.told && w.limit > 0 && p.DTS-w.last > w.limit
	w.told = w.told || far
	return far
}
