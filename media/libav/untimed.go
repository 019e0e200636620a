package libav

import (
	"github.com/roomcast/roomcast/media"
)

// mostUntimed bounds the packets that wait for one with a time.
const mostUntimed = 300

// untimed gives the first packets of a Matroska track their times. libav knows none
// below zero (RFC 9559, 10.2, has a block's time relative to its cluster's, and signed):
// they end where the first begins that has one.
type untimed struct {
	raw   func() (media.Packet, error) // the next as libav has it
	held  []media.Packet
	timed [2]bool // by track: all that comes has a time
	waits [2]int  // by track: how many are held without one
	err   error   // that came behind them
}

// read returns the next packet.
func (u *untimed) read() (media.Packet, error) {
	for u.err == nil && (len(u.held) == 0 || u.waits != [2]int{} && len(u.held) < mostUntimed) {
		p, err := u.raw()
		if err != nil {
			u.err = err
			break
		}
		u.take(p)
	}
	if len(u.held) == 0 {
		err := u.err
		u.err = nil
		return media.Packet{}, err
	}
	return media.TakeFirst(&u.held), nil
}

func (u *untimed) take(p media.Packet) {
	switch {
	case u.timed[p.Track]:
	case p.NoPTS && p.NoDTS:
		u.waits[p.Track]++
	default:
		u.timed[p.Track], u.waits[p.Track] = true, 0
		u.lead(p)
	}
	u.held = append(u.held, p)
}

// lead gives those before first, of its track, their times.
func (u *untimed) lead(first media.Packet) {
	at := first.DTS
	if first.NoDTS {
		at = first.PTS
	}
	for i := len(u.held) - 1; i >= 0; i-- {
		p := &u.held[i]
		if p.Track != first.Track {
			continue
		}
		at -= p.Duration
		p.DTS, p.NoDTS = at, false
		if first.PTS == first.DTS { // else pictures are out of order, and only their decoder knows how
			p.PTS, p.NoPTS = at, false
		}
	}
}

// reset is for a jump.
func (u *untimed) reset() { *u = untimed{raw: u.raw} }

func (u *untimed) close() {}
