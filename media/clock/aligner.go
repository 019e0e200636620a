package clock

import (
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
)

// How long a track is waited for that lies behind the other. Fragments of 6 s
// are common, and hold all of one track before anything of the other.
const (
	// AlignSpan is the most media of one track that is held for the other; a
	// track that did not come by then is not waited for until it comes again.
	AlignSpan = 20 * time.Second
	// AlignWait bounds the wait where a source gives its packets slowly. It is
	// more than maxSlip: a source that is too slow for its own fragments gets
	// the lead that it lacks.
	AlignWait = 1500 * time.Millisecond
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
	t := &Aligner{Interleaver: *NewInterleaver(len(tracks), AlignSpan), newest: Forever}
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

func (a *Aligner) Push(p media.Packet) {
	if a.hold > 0 && a.video == &a.queues[p.Track] && a.comesEarly(&p) {
		return
	}
	a.Interleaver.Push(p)
	a.measure(p.Track)
}

// deepest is how many pictures may be decoded ahead of those shown before them
// (H.264, A.3.1).
const deepest = 16

// comesEarly holds a picture that is shown more than a second behind all before
// it and is to be decoded before that. A container that knows no DTS, and one that was
// cut, have it so at a hole: with B-frames, the first pictures behind it have the DTS
// of those before. Where DTS go on behind the hole, it need not be decoded before.
func (a *Aligner) comesEarly(p *media.Packet) bool {
	leaps := p.PTS-a.newest > FrameHold && p.PTS-p.DTS > FrameHold
	if a.newest == Forever {
		a.newest = p.PTS
	}
	a.newest = max(a.newest, p.PTS)
	switch n := len(a.early); {
	case n > 0 && p.DTS-a.early[n-1].DTS > FrameHold:
		for i := range a.early {
			e := &a.early[i]
			e.DTS = max(e.DTS, min(e.PTS, p.DTS))
		}
		a.letEarly()
	case n == deepest || a.earlyBytes > interleaverBytes || n > 0 && p.DTS-a.early[0].DTS > FrameHold:
		a.letEarly()
	case n > 0:
		leaps = true
	}
	if leaps {
		a.early, a.earlyBytes = append(a.early, *p), a.earlyBytes+p.Size()
	}
	return leaps
}

func (a *Aligner) letEarly() {
	for _, p := range a.early {
		a.Interleaver.Push(p)
		a.measure(p.Track)
	}
	a.early, a.earlyBytes = nil, 0
}

func (a *Aligner) Flush() {
	a.letEarly()
	a.Interleaver.Flush()
}

func (a *Aligner) Clear() int {
	n := len(a.early)
	a.early, a.earlyBytes = nil, 0
	return n + a.Interleaver.Clear()
}

// Pop returns the packet with the lowest DTS, or false while one with a lower
// DTS is waited for.
func (a *Aligner) Pop() (media.Packet, bool) {
	l := a.lowest()
	if l == nil {
		return media.Packet{}, false
	}
	other := a.other(l)
	if other.n == 0 && l.newest-l.first().DTS >= a.hold {
		other.absent = true
	}
	if !other.started && l.newest-l.first().DTS < a.lag && a.bytes <= interleaverBytes && !a.flushing {
		return media.Packet{}, false
	}
	if !a.ready(l) {
		return media.Packet{}, false
	}
	a.deadline = time.Time{}
	return a.give(l), true
}

// Force returns the packet with the lowest DTS although one with a lower DTS
// may still come. There must be one.
func (a *Aligner) Force() media.Packet {
	if a.lowest() == nil {
		a.letEarly()
	}
	return a.give(a.lowest())
}

// give takes a packet out, the first picture first: the room begins with it.
func (a *Aligner) give(l *trackQueue) media.Packet {
	if a.video != nil && !a.begun && a.video.n > 0 {
		l = a.video
	}
	a.begun = a.begun || l == a.video
	p := a.take(l)
	a.measure(p.Track)
	return p
}

// Each calls f with the packets of a track that are held, in their order, until f returns
// false.
func (a *Aligner) Each(track int, f func(p *media.Packet) bool) {
	l := &a.queues[track]
	for i := range l.n {
		if !f(&l.ring[(l.head+i)%len(l.ring)]) {
			return
		}
	}
}

// Holds says whether anything is held.
func (a *Aligner) Holds() bool { return a.queues[0].n+a.queues[1].n+len(a.early) > 0 }

// Patience is how long the next packet may be waited for: usual where nothing
// is held.
func (a *Aligner) Patience(usual time.Duration) time.Duration {
	if !a.Holds() {
		return usual
	}
	now := time.Now()
	if a.deadline.IsZero() {
		a.deadline = now.Add(AlignWait)
	}
	return a.deadline.Sub(now)
}

// measure makes span right after a change of a track.
func (a *Aligner) measure(track int) {
	held := time.Duration(0)
	if l := &a.queues[track]; l.n > 0 {
		held = l.newest - l.first().DTS
	}
	a.spans[track].Store(int64(held))
}

// Span is how much of a track is held. It may be called beside other methods.
func (a *Aligner) Span(track int) time.Duration { return time.Duration(a.spans[track].Load()) }

// Longest is how much is held of the track of which it is more.
func (a *Aligner) Longest() time.Duration { return max(a.Span(0), a.Span(1)) }
