package libav

import (
	"cmp"
	"errors"
	"io"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// maxDelayed bounds the bytes that wait for the other track: five seconds of
	// 50 Mbit/s.
	maxDelayed = 32 << 20
	// maxEarly bounds the sound that waits for the first picture to be told where
	// that is.
	maxEarly = 4 << 20
)

// soundDelay times the sound of a source later, or earlier, than it is, and gives
// the packets in the order that this makes: whoever reads them finds a source
// that is so. The track that comes too soon waits until the source has gone on by
// the delay. Sound that would come before the first picture is left out.
type soundDelay struct {
	by     time.Duration
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
	known  bool
	begin  time.Duration  // of the first picture, once that is known
	over   bool           // all sound is let through
	early  []media.Packet // wait for the first picture
	bytes  int
	config []byte // of what was left out
	change *media.Track
}

// reset is for a jump: what was read ahead is forgotten.
func (d *soundDelay) reset() { *d = soundDelay{by: d.by} }

// delays says whether the sound is given at another time than the source has it.
func (s *Source) delays() bool { return s.delay.by != 0 && s.has(media.Video) && s.has(media.Audio) }

// readDelayed returns the next packet in the order and with the times that the
// delay makes.
func (s *Source) readDelayed() (media.Packet, error) {
	return s.delay.read(s.readTimed, func(p media.Packet) media.MediaType { return s.info.Tracks[p.Track].Type })
}

// read reads on by next until a packet is ready.
func (d *soundDelay) read(next func() (media.Packet, error), typeOf func(media.Packet) media.MediaType) (media.Packet, error) {
	for len(d.ready) == 0 {
		if d.err != nil {
			return media.Packet{}, d.err
		}
		p, err := next()
		switch {
		case err == nil:
			d.add(p, typeOf(p))
		case errors.Is(err, io.EOF):
			d.release(d.newest + d.by.Abs())
			d.ready, d.err = append(d.ready, d.trim.early...), err
		default: // what waits belongs to a picture that does not come
			return p, err
		}
	}
	p := d.ready[0]
	d.ready[0] = media.Packet{}
	d.ready = d.ready[1:]
	return p, nil
}

// delayPending is for packets that were read before it was known that there are
// two tracks.
func (s *Source) delayPending() {
	if !s.delays() {
		return
	}
	for _, p := range s.pending {
		s.delay.add(p, s.info.Tracks[p.Track].Type)
	}
	s.pending = nil
}

func (d *soundDelay) add(p media.Packet, kind media.MediaType) {
	at := p.DTS
	if p.NoDTS {
		at = max(p.PTS, d.last[kind])
	}
	if step := at - d.last[kind]; d.came[kind] && (step < -maxBackward || step > maxForward) {
		d.release(d.newest + d.by.Abs()) // another clock
		d.newest = at
	}
	if d.newest = max(d.newest, at); !d.came[media.Video] && !d.came[media.Audio] {
		d.newest = at
	}
	d.last[kind], d.came[kind] = at, true
	d.release(d.newest - d.by.Abs())
	if waits := (kind == media.Audio) == (d.by > 0); !waits {
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
func (d *soundDelay) release(until time.Duration) {
	for len(d.held) > 0 && (d.held[0].NoDTS || d.held[0].DTS <= until) {
		d.next()
	}
}

func (d *soundDelay) next() {
	p := d.held[0]
	d.held[0] = media.Packet{}
	d.held, d.bytes = d.held[1:], d.bytes-len(p.Data)
	kind := media.Video
	if d.by > 0 {
		kind = media.Audio
	}
	d.give(p, kind)
}

func (d *soundDelay) give(p media.Packet, kind media.MediaType) {
	if kind == media.Audio {
		if !p.NoPTS {
			p.PTS += d.by
		}
		if !p.NoDTS {
			p.DTS += d.by
		}
		if d.by < 0 && d.trim.takes(&p) {
			return
		}
	}
	d.ready = append(d.ready, p)
}

// picture tells where the first picture is.
func (t *soundTrim) picture(p media.Packet, d *soundDelay) {
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
		if p.Extradata != nil {
			t.config = p.Extradata
		}
		t.change = cmp.Or(p.Change, t.change)
		return true
	}
	t.over = true
	if p.Extradata == nil {
		p.Extradata = t.config
	}
	p.Change = cmp.Or(p.Change, t.change)
	return false
}
