package clock

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
)

// How long a track is waited for that lies behind the other. Fragments of 6 s
// are common, and hold all of one track before anything of the other.
const (
	// FileWeave is the most media of one track that is held for the other; a
	// track that did not come by then is not waited for until it comes again.
	FileWeave = 20 * time.Second
	// WeaveWait bounds the wait where a source gives its packets slowly. It is
	// more than maxSlip: a source that is too slow for its own fragments gets
	// the lead that it lacks.
	WeaveWait = 1500 * time.Millisecond
	// lateLag is by how much a track that begins late may stand behind the other:
	// what muxers hold the sound for, and twice that.
	lateLag = time.Second
)

// Aligner brings the packets of one input, which have the room's times, into the
// order of their DTS, before anything is made of them. It is used by one
// goroutine, but for span.
type Aligner struct {
	Interleaver
	video    *trackQueue // nil: there is none
	begun    bool        // the first picture was given out
	deadline time.Time   // of the present wait for a track; zero: there is none
	// lag is how much of a track is held while there is none beside it: packets of
	// one that comes late stand behind those that they belong to.
	lag time.Duration
	// early are pictures that are decoded before a hole and shown behind it, newest
	// is the highest PTS that came of a picture.
	early      []media.Packet
	earlyBytes int
	newest     time.Duration
	spans      [2]atomic.Int64
	Ends       time.Duration // room time at which what was given out ends
}

// NewAligner returns the aligner of a source with these tracks; of a realtime
// source nothing is held.
func NewAligner(tracks []media.Track, realtime bool) *Aligner {
	t := &Aligner{Interleaver: *NewInterleaver(len(tracks), FileWeave), newest: Forever}
	switch {
	case realtime:
		t.hold = 0
	case len(tracks) == 1:
		t.lag = lateLag
	}
	for i, track := range tracks {
		if track.Type == media.Video {
			t.video = &t.queues[i]
		}
	}
	return t
}

func (t *Aligner) Push(p media.Packet) {
	if t.hold > 0 && t.video == &t.queues[p.Track] && t.comesEarly(p) {
		return
	}
	t.Interleaver.Push(p)
	t.measure(p.Track)
}

// deepest is how many pictures may be decoded ahead of those shown before them
// (H.264, A.3.1).
const deepest = 16

// comesEarly holds a picture that is shown more than a second behind all before
// it and is to be decoded before that. A container that knows no DTS, and one that was
// cut, have it so at a hole: with B-frames, the first pictures behind it have the DTS
// of those before. Where DTS go on behind the hole, it need not be decoded before.
func (t *Aligner) comesEarly(p media.Packet) bool {
	leaps := p.PTS-t.newest > FrameHold && p.PTS-p.DTS > FrameHold
	if t.newest == Forever {
		t.newest = p.PTS
	}
	t.newest = max(t.newest, p.PTS)
	switch n := len(t.early); {
	case n > 0 && p.DTS-t.early[n-1].DTS > FrameHold:
		for i := range t.early {
			e := &t.early[i]
			e.DTS = max(e.DTS, min(e.PTS, p.DTS))
		}
		t.letEarly()
	case n == deepest || t.earlyBytes > interleaverBytes || n > 0 && p.DTS-t.early[0].DTS > FrameHold:
		t.letEarly()
	case n > 0:
		leaps = true
	}
	if leaps {
		t.early, t.earlyBytes = append(t.early, p), t.earlyBytes+p.Size()
	}
	return leaps
}

func (t *Aligner) letEarly() {
	for _, p := range t.early {
		t.Interleaver.Push(p)
		t.measure(p.Track)
	}
	t.early, t.earlyBytes = nil, 0
}

func (t *Aligner) Flush() {
	t.letEarly()
	t.Interleaver.Flush()
}

func (t *Aligner) Clear() int {
	n := len(t.early)
	t.early, t.earlyBytes = nil, 0
	return n + t.Interleaver.Clear()
}

// Pop returns the packet with the lowest DTS, or false while one with a lower
// DTS is waited for.
func (t *Aligner) Pop() (media.Packet, bool) {
	l := t.lowest()
	if l == nil {
		return media.Packet{}, false
	}
	other := t.other(l)
	if other.n == 0 && l.newest-l.first().DTS >= t.hold {
		other.absent = true
	}
	if !other.started && l.newest-l.first().DTS < t.lag && t.bytes <= interleaverBytes && !t.flushing {
		return media.Packet{}, false
	}
	if !t.ready(l) {
		return media.Packet{}, false
	}
	t.deadline = time.Time{}
	return t.give(l), true
}

// Force returns the packet with the lowest DTS although one with a lower DTS
// may still come. There must be one.
func (t *Aligner) Force() media.Packet {
	if t.lowest() == nil {
		t.letEarly()
	}
	return t.give(t.lowest())
}

// give takes a packet out, the first picture first: the room begins with it.
func (t *Aligner) give(l *trackQueue) media.Packet {
	if t.video != nil && !t.begun && t.video.n > 0 {
		l = t.video
	}
	t.begun = t.begun || l == t.video
	p := t.take(l)
	t.measure(p.Track)
	return p
}

// Each calls f with the packets of a track that are held, in their order, until f returns
// false.
func (t *Aligner) Each(track int, f func(p *media.Packet) bool) {
	l := &t.queues[track]
	for i := range l.n {
		if !f(&l.ring[(l.head+i)%len(l.ring)]) {
			return
		}
	}
}

// Holds says whether anything is held.
func (t *Aligner) Holds() bool { return t.queues[0].n+t.queues[1].n+len(t.early) > 0 }

// Patience is how long the next packet may be waited for: usual where nothing
// is held.
func (t *Aligner) Patience(usual time.Duration) time.Duration {
	if !t.Holds() {
		return usual
	}
	now := time.Now()
	if t.deadline.IsZero() {
		t.deadline = now.Add(WeaveWait)
	}
	return t.deadline.Sub(now)
}

// measure makes span right after a change of a track.
func (t *Aligner) measure(track int) {
	held := time.Duration(0)
	if l := &t.queues[track]; l.n > 0 {
		held = l.newest - l.first().DTS
	}
	t.spans[track].Store(int64(held))
}

// Span is how much of a track is held. It may be called beside other methods.
func (t *Aligner) Span(track int) time.Duration { return time.Duration(t.spans[track].Load()) }

// Longest is how much is held of the track of which it is more.
func (t *Aligner) Longest() time.Duration { return max(t.Span(0), t.Span(1)) }

// LeftOut says why a track that came after the push had begun is not played.
func LeftOut(kind media.MediaType, why string) string {
	return fmt.Sprintf("the source's %s came after the push had begun, and is left out: %s", media.WordFor(kind), why)
}
