package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// filledTrack makes a track that the source does not have: silence or black, one
// group of packets over and over.
type filledTrack struct {
	out   media.Track
	group []media.Packet // times from zero
	span  time.Duration  // of the group
	begun bool
	base  time.Duration // room time of the present group
	next  int           // index into group
}

func (f *filledTrack) track() media.Track                       { return f.out }
func (f *filledTrack) put(media.Packet) ([]media.Packet, error) { return nil, nil }
func (f *filledTrack) flush() ([]media.Packet, error)           { return nil, nil }
func (f *filledTrack) takeDamaged() int64                       { return 0 }

// until returns the packets that are due at room time t, from where the output track
// was before; of no track there are none.
func (f *filledTrack) until(t time.Duration) []media.Packet {
	if f == nil {
		return nil
	}
	if !f.begun {
		f.begun, f.base = true, t
	}
	var out []media.Packet
	for {
		p := f.group[f.next]
		at := f.base + p.DTS
		if at > t {
			return out
		}
		if t-at >= fillGap { // a gap of the source, too: what follows it needs a keyframe
			f.next, f.base = 0, t-fillGap+clock.Tick
			continue
		}
		p.PTS, p.DTS, p.Origin = at+p.PTS-p.DTS, at, media.Filled
		out = append(out, p)
		if f.next++; f.next == len(f.group) {
			f.next, f.base = 0, f.base+f.span
		}
	}
}

// further is until for a track that has begun; of another there is nothing.
func (f *filledTrack) further(t time.Duration) []media.Packet {
	if f == nil || !f.begun {
		return nil
	}
	return f.until(t)
}

// restart begins the group anew, with its keyframe.
func (f *filledTrack) restart() { f.base, f.next = f.base+f.group[f.next].DTS, 0 }

// fillGap is how much is made up for at once: the longest gap in the content.
const fillGap = clock.MaxForward
