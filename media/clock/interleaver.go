package clock

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// How much media of one track waits for the other: longer than a decoder's
// delay (16 pictures, H.264 A.3.1) where nobody waits for it, and short where
// viewers do.
const (
	FileHold = time.Second
	LiveHold = 150 * time.Millisecond
)

// Bounds of what an interleaver holds.
const (
	interleaverBytes = 16 << 20
)

// Interleaver merges the packets of up to two tracks by DTS. Each track's
// packets stay in their order. A decoder's delay makes pictures come out well
// after the sound that belongs to them: that is what it waits for, but never
// for more than hold of media, or, where a track leads and has not begun,
// interleaverBytes.
type Interleaver struct {
	hold     time.Duration // media time a track waits for the other; may change at any time
	queues   [2]trackQueue
	bytes    int
	flushing bool
}

// trackQueue is one track's queue, a ring that grows.
type trackQueue struct {
	absent  bool // nothing is expected of it
	leads   bool // the other does not begin without it: that would be left out
	ring    []media.Packet
	head, n int
	started bool
	newest  time.Duration // highest DTS that came
}

// NewInterleaver returns an interleaver of that many tracks, 1 or 2.
func NewInterleaver(tracks int, hold time.Duration) *Interleaver {
	i := &Interleaver{hold: hold}
	i.queues[1].absent = tracks < 2
	return i
}

// Push takes p; its DTS is set.
func (i *Interleaver) Push(p media.Packet) {
	l := &i.queues[p.Track]
	l.put(&p)
	i.bytes += p.Size()
	i.flushing = false
}

// Pop returns the packet with the lowest DTS, or false while one with a lower
// DTS may still come.
func (i *Interleaver) Pop() (media.Packet, bool) {
	l := i.lowest()
	if l == nil || !i.ready(l) {
		return media.Packet{}, false
	}
	return i.take(l), true
}

// First returns what Pop gives next, nil when that is nothing.
func (i *Interleaver) First() *media.Packet {
	l := i.lowest()
	if l == nil || !i.ready(l) {
		return nil
	}
	return l.first()
}

// take takes the first packet of an output track, which is not empty.
func (i *Interleaver) take(l *trackQueue) media.Packet {
	p := l.take()
	i.bytes -= p.Size()
	return p
}

// End says that no more packets of track are expected; a push of one takes it
// back.
func (i *Interleaver) End(track int) { i.queues[track].absent = true }

// Lead says whether the other track does not begin without track.
func (i *Interleaver) Lead(track int, leads bool) { i.queues[track].leads = leads }

// Flush makes everything that is held come out, until the next push.
func (i *Interleaver) Flush() { i.flushing = true }

// Clear throws away what is held and returns how many packets that was.
func (i *Interleaver) Clear() int {
	n := 0
	for t := range i.queues {
		l := &i.queues[t]
		for n += l.n; l.n > 0; {
			l.take()
		}
		l.started = false
	}
	i.bytes, i.flushing = 0, false
	return n
}

// lowest returns the output track whose first packet has the lowest DTS, nil when both
// are empty.
func (i *Interleaver) lowest() *trackQueue {
	a, b := &i.queues[0], &i.queues[1]
	switch {
	case a.n == 0 && b.n == 0:
		return nil
	case b.n == 0, a.n > 0 && a.first().DTS <= b.first().DTS:
		return a
	default:
		return b
	}
}

// ready says whether l's first packet, the lowest there is, need not wait for
// the other output track.
func (i *Interleaver) ready(l *trackQueue) bool {
	other, first := i.other(l), l.first().DTS
	return i.flushing || other.n > 0 || other.absent || i.bytes > interleaverBytes ||
		(other.started && first <= other.newest) || l.newest-first >= i.hold && (other.started || !other.leads)
}

func (i *Interleaver) other(l *trackQueue) *trackQueue {
	if l == &i.queues[0] {
		return &i.queues[1]
	}
	return &i.queues[0]
}

func (l *trackQueue) first() *media.Packet { return &l.ring[l.head] }

func (l *trackQueue) put(p *media.Packet) {
	if l.n == len(l.ring) {
		ring := make([]media.Packet, max(16, 2*l.n))
		k := copy(ring, l.ring[l.head:])
		copy(ring[k:], l.ring[:l.head])
		l.ring, l.head = ring, 0
	}
	l.ring[(l.head+l.n)%len(l.ring)] = *p
	l.n++
	if l.newest = max(l.newest, p.DTS); !l.started {
		l.newest = p.DTS
	}
	l.started, l.absent = true, false
}

func (l *trackQueue) take() media.Packet {
	p := l.ring[l.head]
	l.ring[l.head] = media.Packet{}
	l.head = (l.head + 1) % len(l.ring)
	if l.n--; l.n == 0 {
		l.head = 0 // memory that was used just now costs less
	}
	return p
}
