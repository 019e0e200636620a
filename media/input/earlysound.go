package input

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// Bounds of the sound that is kept of an input until its first keyframe.
const (
	earlyLive  = 2 * time.Second
	earlyBytes = 4 << 20
)

// earlySound keeps the newest sound that stands before the first keyframe:
// where it stands says nothing about its time.
type earlySound struct {
	span    time.Duration // the most to keep
	packets []media.Packet
	length  time.Duration // from the first to the last, without breaks of the clock
	bytes   int
}

// step is how long after packet i the next one comes.
func (e *earlySound) step(i int) time.Duration {
	at, next := clock.ShownAt(&e.packets[i]), clock.ShownAt(&e.packets[i+1])
	if !goesOn(at, next) {
		return 0
	}
	return next - at
}

// add keeps p; lost is told what is not kept any more.
func (e *earlySound) add(p media.Packet, lost *bitstream.Pending) {
	e.packets, e.bytes = append(e.packets, p), e.bytes+p.Size()
	if n := len(e.packets); n > 1 {
		e.length += e.step(n - 2)
	}
	for first := &e.packets[0]; e.bytes > earlyBytes || e.length > e.span; first = &e.packets[0] {
		if len(e.packets) > 1 {
			e.length -= e.step(0)
		}
		e.bytes -= first.Size()
		lost.LeaveOut(first)
		*first = media.Packet{}
		if e.packets = e.packets[1:]; len(e.packets) == 0 {
			return
		}
	}
}
