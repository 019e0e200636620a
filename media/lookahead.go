package media

import (
	"cmp"
	"time"
)

// seekHeld bounds what is read ahead in search of the last keyframe.
const seekHeld = 32 << 20

// LookAhead holds packets of a source that is being sought, from the best
// keyframe so far.
type LookAhead struct {
	Held        []Packet
	Told        [2]*Track // by what is left out: another stream
	Found, Done bool
	Scanning    bool // the first keyframe need not be the last before the target
	size        int
}

// begin leaves out all before p, but for the configuration it may need, and what
// the tracks have become.
func (a *LookAhead) begin(p Packet) Packet {
	newest := p.Extradata
	for _, q := range a.Held {
		a.Told[q.Track] = cmp.Or(q.Change, a.Told[q.Track])
		if q.Track == p.Track && p.Extradata == nil && q.Extradata != nil {
			newest = q.Extradata
		}
	}
	p.Extradata = newest
	a.Held, a.size = nil, 0
	return p
}

// Add takes the next packet; video says that it is of the picture.
func (a *LookAhead) Add(p Packet, video bool, target time.Duration) {
	at := p.PTS
	if p.NoPTS {
		at = p.DTS
	}
	switch {
	case !video:
	case p.Keyframe && at <= target:
		if a.Scanning {
			p = a.begin(p)
		}
		a.Found = true
		a.Done = !a.Scanning
	case !p.Keyframe && !a.Found:
		a.Scanning = true
		a.Done = p.DTS > target && !p.NoDTS
	default:
		a.Done = p.Keyframe || !p.NoDTS && p.DTS > target
	}
	p.Change = cmp.Or(p.Change, a.Told[p.Track])
	a.Told[p.Track] = nil
	a.Held, a.size = append(a.Held, p), a.size+len(p.Data)
	a.Done = a.Done || a.size > seekHeld
}
