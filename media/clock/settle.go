package clock

import (
	"cmp"
	"io"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// seekHeld bounds what is read ahead in search of the last keyframe.
	seekHeld = 32 << 20
	// leastEarly is by how much sound must begin before the picture to count.
	leastEarly = 300 * time.Millisecond
)

// Ahead is what a source that is being sought has read ahead.
type Ahead struct {
	Packets []media.Packet  // the next ones
	News    [2]*media.Track // what a track is by what was left out, until its next packet tells
}

// Reader reads on in a source that is being sought.
type Reader struct {
	Read func() (media.Packet, error)       // io.EOF at the end
	Type func(media.Packet) media.MediaType // of a packet's track
}

// Take takes the first packet that was read ahead, if there is one.
func (a *Ahead) Take() (media.Packet, bool) {
	if len(a.Packets) == 0 {
		return media.Packet{}, false
	}
	return media.TakeFirst(&a.Packets), true
}

// Settle reads ahead to the first picture. With most containers it is the
// keyframe sought. Where the container has no index (MPEG-TS) it is any:
// then the reading goes on up to target, and the last keyframe on the way is
// where the source continues. scanning says to do so in any case. It returns
// false when there was none.
func (a *Ahead) Settle(r Reader, target time.Duration, scanning bool) (bool, error) {
	look := lookAhead{scanning: scanning}
	for !look.done {
		p, err := r.Read()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			break
		}
		if err != nil {
			return false, err
		}
		look.add(p, r.Type(p) == media.Video, target)
	}
	a.Packets = look.held
	for i, told := range look.told {
		a.News[i] = cmp.Or(told, a.News[i])
	}
	return look.found, nil
}

// Pass reads on to target, of a source without a picture, and drops the sound before. What
// was last stays where nothing comes there.
func (a *Ahead) Pass(r Reader, target time.Duration) error {
	var change *media.Track
	for {
		p, err := r.Read()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			return nil
		}
		if err != nil {
			return err
		}
		change = cmp.Or(p.Change, change)
		p.Change = change
		a.Packets = append(a.Packets[:0], p)
		if p.NoDTS || p.DTS+p.Duration >= target {
			return nil
		}
	}
}

// Leads says whether of what has been read ahead the picture begins so much after
// target that there is sound to be heard before.
func (a *Ahead) Leads(r Reader, target time.Duration) bool {
	first := slices.IndexFunc(a.Packets, func(p media.Packet) bool { return r.Type(p) == media.Video })
	if first < 0 {
		return false
	}
	p := a.Packets[first]
	return p.Keyframe && !p.NoPTS && p.PTS-target >= leastEarly
}

// lookAhead holds packets of a source that is being sought, from the best
// keyframe so far.
type lookAhead struct {
	held        []media.Packet
	told        [2]*media.Track // by what is left out: another stream
	found, done bool
	scanning    bool // the first keyframe need not be the last before the target
	size        int
}

// begin leaves out all before p, but for the configuration it may need, and what
// the tracks have become.
func (a *lookAhead) begin(p media.Packet) media.Packet {
	newest := p.Extradata
	for _, q := range a.held {
		a.told[q.Track] = cmp.Or(q.Change, a.told[q.Track])
		if q.Track == p.Track && p.Extradata == nil && q.Extradata != nil {
			newest = q.Extradata
		}
	}
	p.Extradata = newest
	a.held, a.size = nil, 0
	return p
}

// add takes the next packet; video says that it is of the picture.
func (a *lookAhead) add(p media.Packet, video bool, target time.Duration) {
	at := p.PTS
	if p.NoPTS {
		at = p.DTS
	}
	switch {
	case !video:
	case p.Keyframe && at <= target:
		if a.scanning {
			p = a.begin(p)
		}
		a.found = true
		a.done = !a.scanning
	case !p.Keyframe && !a.found:
		a.scanning = true
		a.done = p.DTS > target && !p.NoDTS
	default:
		a.done = p.Keyframe || !p.NoDTS && p.DTS > target
	}
	p.Change = cmp.Or(p.Change, a.told[p.Track])
	a.told[p.Track] = nil
	a.held, a.size = append(a.held, p), a.size+len(p.Data)
	a.done = a.done || a.size > seekHeld
}
