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

func (l *filledTrack) track() media.Track                       { return l.out }
func (l *filledTrack) put(media.Packet) ([]media.Packet, error) { return nil, nil }
func (l *filledTrack) flush() ([]media.Packet, error)           { return nil, nil }
func (l *filledTrack) takeDamaged() int64                       { return 0 }

// until returns the packets that are due at room time t, from where the output track
// was before; of no track there are none.
func (l *filledTrack) until(t time.Duration) []media.Packet {
	if l == nil {
		return nil
	}
	if !l.begun {
		l.begun, l.base = true, t
	}
	var out []media.Packet
	for {
		p := l.group[l.next]
		at := l.base + p.DTS
		if at > t {
			return out
		}
		if t-at >= fillGap { // a gap of the source, too: what follows it needs a keyframe
			l.next, l.base = 0, t-fillGap+clock.Tick
			continue
		}
		p.PTS, p.DTS, p.Origin = at+p.PTS-p.DTS, at, media.Filled
		out = append(out, p)
		if l.next++; l.next == len(l.group) {
			l.next, l.base = 0, l.base+l.span
		}
	}
}

// further is until for a track that has begun; of another there is nothing.
func (l *filledTrack) further(t time.Duration) []media.Packet {
	if l == nil || !l.begun {
		return nil
	}
	return l.until(t)
}

// restart begins the group anew, with its keyframe.
func (l *filledTrack) restart() { l.base, l.next = l.base+l.group[l.next].DTS, 0 }

// fillGap is how much is made up for at once: the longest gap in the content.
const fillGap = clock.MaxForward
