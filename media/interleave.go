package media

import "time"

// How much media of one track waits for the other: longer than a decoder's
// delay (16 pictures, H.264 A.3.1) where nobody waits for it, and short where
// viewers do.
const (
	fileHold = time.Second
	liveHold = 150 * time.Millisecond
)

// Bounds of what an interleaver holds.
const (
	interleaverBytes = 16 << 20
)

// interleaver merges the packets of up to two tracks by DTS. Each track's
// packets stay in their order. A decoder's delay makes pictures come out well
// after the sound that belongs to them: that is what it waits for, but never
// for more than hold of media, or, where a track leads and has not begun,
// interleaverBytes.
type interleaver struct {
	hold     time.Duration // media time a track waits for the other; may change at any time
	lanes    [2]trackQueue
	bytes    int
	flushing bool
}

// trackQueue is one track's queue, a ring that grows.
type trackQueue struct {
	absent  bool // nothing is expected of it
	leads   bool // the other does not begin without it: that would be left out
	ring    []Packet
	head, n int
	started bool
	newest  time.Duration // highest DTS that came
}

// newInterleaver returns an interleaver of that many tracks, 1 or 2.
func newInterleaver(tracks int, hold time.Duration) *interleaver {
	i := &interleaver{hold: hold}
	i.lanes[1].absent = tracks < 2
	return i
}

// push takes p; its DTS is set.
func (i *interleaver) push(p Packet) {
	l := &i.lanes[p.Track]
	l.put(p)
	i.bytes += p.Size()
	i.flushing = false
}

// pop returns the packet with the lowest DTS, or false while one with a lower
// DTS may still come.
func (i *interleaver) pop() (Packet, bool) {
	l := i.lowest()
	if l == nil || !i.ready(l) {
		return Packet{}, false
	}
	return i.take(l), true
}

// take takes the first packet of a lane, which is not empty.
func (i *interleaver) take(l *trackQueue) Packet {
	p := l.take()
	i.bytes -= p.Size()
	return p
}

// end says that no more packets of track are expected; a push of one takes it
// back.
func (i *interleaver) end(track int) { i.lanes[track].absent = true }

// flush makes everything that is held come out, until the next push.
func (i *interleaver) flush() { i.flushing = true }

// clear throws away what is held and returns how many packets that was.
func (i *interleaver) clear() int {
	n := 0
	for t := range i.lanes {
		l := &i.lanes[t]
		for n += l.n; l.n > 0; {
			l.take()
		}
		l.started = false
	}
	i.bytes, i.flushing = 0, false
	return n
}

// lowest returns the lane whose first packet has the lowest DTS, nil when both
// are empty.
func (i *interleaver) lowest() *trackQueue {
	a, b := &i.lanes[0], &i.lanes[1]
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
// the other lane.
func (i *interleaver) ready(l *trackQueue) bool {
	other, first := i.other(l), l.first().DTS
	return i.flushing || other.n > 0 || other.absent || i.bytes > interleaverBytes ||
		(other.started && first <= other.newest) || l.newest-first >= i.hold && (other.started || !other.leads)
}

func (i *interleaver) other(l *trackQueue) *trackQueue {
	if l == &i.lanes[0] {
		return &i.lanes[1]
	}
	return &i.lanes[0]
}

func (l *trackQueue) first() *Packet { return &l.ring[l.head] }

func (l *trackQueue) put(p Packet) {
	if l.n == len(l.ring) {
		ring := make([]Packet, max(16, 2*l.n))
		k := copy(ring, l.ring[l.head:])
		copy(ring[k:], l.ring[:l.head])
		l.ring, l.head = ring, 0
	}
	l.ring[(l.head+l.n)%len(l.ring)] = p
	l.n++
	if l.newest = max(l.newest, p.DTS); !l.started {
		l.newest = p.DTS
	}
	l.started, l.absent = true, false
}

func (l *trackQueue) take() Packet {
	p := l.ring[l.head]
	l.ring[l.head] = Packet{}
	l.head = (l.head + 1) % len(l.ring)
	l.n--
	return p
}
