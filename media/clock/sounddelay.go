package clock

import (
	"errors"
	"io"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

const (
	// maxDelayed bounds the bytes that wait for the other track: five seconds of
	// 50 Mbit/s.
	maxDelayed = 32 << 20
	// maxEarly bounds the sound that waits for the first picture to be told where
	// that is.
	maxEarly = 4 << 20
)

// SoundDelay times the sound of a source later, or earlier, than it is, and gives
// the packets in the order that this makes: whoever reads them finds a source
// that is so. The track that comes too soon waits until the source has gone on by
// the delay. Sound that would come before the first picture is left out.
type SoundDelay struct {
	By     time.Duration  // the sound is later by so much; below zero, earlier
	held   []media.Packet // wait; with the times of the source
	bytes  int
	ready  []media.Packet
	err    error            // that came behind them
	newest time.Duration    // of the source, of either track
	last   [2]time.Duration // of each track
	came   [2]bool          // anything of it
	trim   soundTrim
}

// soundTrim leaves out the sound that is earlier than the first picture.
type soundTrim struct {
	known bool
	begin time.Duration  // of the first picture, once that is known
	over  bool           // all sound is let through
	early []media.Packet // wait for the first picture
	bytes int
	left  bitstream.Pending // of what was left out
}

// Reset is for a jump: what was read ahead is forgotten.
func (d *SoundDelay) Reset() { *d = SoundDelay{By: d.By} }

// Counts says whether there is anything to delay in a source of these tracks: its sound
// is timed by its picture.
func (d *SoundDelay) Counts(tracks []media.Track) bool { return d.By != 0 && len(tracks) > 1 }

// Read returns the next packet in the order and with the times that the delay
// makes of those that next returns; kind is the type of one.
func (d *SoundDelay) Read(next func() (media.Packet, error), kind func(media.Packet) media.MediaType) (media.Packet, error) {
	for len(d.ready) == 0 {
		if d.err != nil {
			return media.Packet{}, d.err
		}
		p, err := next()
		switch {
		case err == nil:
			d.Add(p, kind(p))
		case errors.Is(err, io.EOF):
			d.release(d.newest + d.By.Abs())
			d.ready, d.err = append(d.ready, d.trim.early...), err
		default: // what waits belongs to a picture that does not come
			return p, err
		}
	}
	return media.TakeFirst(&d.ready), nil
}

// Add takes a packet that was read before.
func (d *SoundDelay) Add(p media.Packet, kind media.MediaType) {
	at := p.DTS
	if p.NoDTS {
		at = max(p.PTS, d.last[kind])
	}
	if step := at - d.last[kind]; d.came[kind] && (step < -MaxBackward || step > MaxForward) {
		d.release(d.newest + d.By.Abs()) // another clock
		d.newest = at
	}
	if d.newest = max(d.newest, at); !d.came[media.Video] && !d.came[media.Audio] {
		d.newest = at
	}
	d.last[kind], d.came[kind] = at, true
	d.release(d.newest - d.By.Abs())
	if waits := (kind == media.Audio) == (d.By > 0); !waits {
		d.give(p, kind)
		return
	}
	if kind == media.Video {
		d.trim.picture(p, d)
	}
	d.held, d.bytes = append(d.held, p), d.bytes+len(p.Data)
	for d.bytes > maxDelayed {
		d.next()
	}
}

// release lets go what waits and is not later than until.
func (d *SoundDelay) release(until time.Duration) {
	for len(d.held) > 0 && (d.held[0].NoDTS || d.held[0].DTS <= until) {
		d.next()
	}
}

func (d *SoundDelay) next() {
	p := media.TakeFirst(&d.held)
	d.bytes -= len(p.Data)
	kind := media.Video
	if d.By > 0 {
		kind = media.Audio
	}
	d.give(p, kind)
}

func (d *SoundDelay) give(p media.Packet, kind media.MediaType) {
	if kind == media.Audio {
		if !p.NoPTS {
			p.PTS += d.By
		}
		if !p.NoDTS {
			p.DTS += d.By
		}
		if d.By < 0 && d.trim.takes(&p) {
			return
		}
	}
	d.ready = append(d.ready, p)
}

// picture tells where the first picture is.
func (t *soundTrim) picture(p media.Packet, d *SoundDelay) {
	if t.known || p.Discard {
		return
	}
	t.known, t.begin = true, p.DTS
	if !p.NoPTS {
		t.begin = p.PTS
	}
	early := t.early
	t.early = nil
	for _, p := range early {
		if !t.takes(&p) {
			d.ready = append(d.ready, p)
		}
	}
}

// takes says whether a packet of sound is left out, or is to wait for the first
// picture.
func (t *soundTrim) takes(p *media.Packet) bool {
	switch {
	case t.over:
		return false
	case !t.known && t.bytes <= maxEarly:
		t.early, t.bytes = append(t.early, *p), t.bytes+len(p.Data)
		return true
	case t.known && !p.NoPTS && p.PTS+p.Duration <= t.begin:
		t.left.LeaveOut(p)
		return true
	}
	t.over = true
	t.left.Attach(p)
	return false
}
