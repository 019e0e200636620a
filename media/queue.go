package media

import (
	"context"
	"sync"
	"time"
)

// queueLimits bounds a packetQueue.
type queueLimits struct {
	span  time.Duration // media time between the oldest and the newest packet
	bytes int
	// drop says what to do when it is full: let the writer wait (files), or
	// throw away everything before the newest keyframe (live).
	drop bool
	// beyond is how much media lies behind the reader already, of a queue that
	// drops; nil: none.
	beyond func() time.Duration
	// weave is how far a track may lie behind the other, in the order of the
	// source, so that the writer goes on until it has come; 0: it does not.
	weave time.Duration
}

// packetQueue hands packets from the goroutine that reads a source to the one
// that feeds the room. It has one writer and one reader.
type packetQueue struct {
	limits queueLimits

	mu      sync.Mutex
	packets []Packet // packets[head:] are queued
	head    int
	bytes   int
	err     error // why no more packets come; io.EOF at the end
	dropped int64
	configs configs
	begun   bool             // a packet with a DTS has come
	newest  [2]time.Duration // DTS of the newest packet of each track
	first   [2]int           // index, at or before that of each track's oldest packet with a DTS
	apart   time.Duration    // by how much more than is usual packets stood behind those of the other track
	// seekingKey is set while a live queue that had no keyframe to go on from
	// throws packets away until one comes.
	seekingKey bool

	filled  chan struct{} // capacity 1: something was put or the end was set
	drained chan struct{} // capacity 1: the queue fell below half its span
}

func newPacketQueue(l queueLimits) *packetQueue {
	return &packetQueue{limits: l, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// put appends p. In a queue that does not drop it waits for room or for ctx;
// isKey says whether the room could start at p.
func (q *packetQueue) put(ctx context.Context, p Packet, isKey bool) error {
	q.mu.Lock()
	if q.limits.drop {
		q.dropLocked(isKey)
	}
	if q.seekingKey {
		q.dropped++
		q.configs.lose(p)
		q.mu.Unlock()
		return nil
	}
	q.configs.pass(&p)
	q.compactLocked()
	q.packets = append(q.packets, p)
	q.noteLocked(p)
	q.bytes += p.Size()
	full := q.fullLocked()
	q.mu.Unlock()
	signal(q.filled)
	if !full || q.limits.drop {
		return nil
	}
	return q.waitForRoom(ctx)
}

// waitForRoom waits until half of the queue is free: a reader that wakes once
// for many packets costs less than one that wakes for each.
func (q *packetQueue) waitForRoom(ctx context.Context) error {
	for {
		q.mu.Lock()
		roomy := q.roomyLocked()
		q.mu.Unlock()
		if roomy {
			return nil
		}
		select {
		case <-q.drained:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// dropLocked makes room in a live queue for a packet about to come.
func (q *packetQueue) dropLocked(isKey bool) {
	if q.seekingKey && isKey {
		q.seekingKey = false
	}
	if !q.fullLocked() && !q.lagsLocked() {
		return
	}
	q.dropped += int64(len(q.packets) - q.head)
	for _, p := range q.packets[q.head:] {
		q.configs.lose(p)
	}
	q.packets, q.head, q.bytes, q.first = q.packets[:0], 0, 0, [2]int{}
	q.seekingKey = !isKey
}

// compactLocked takes back what has been read: a queue that is never empty
// would grow for ever.
func (q *packetQueue) compactLocked() {
	if len(q.packets) < cap(q.packets) || q.head < len(q.packets)/2 {
		return
	}
	n := copy(q.packets, q.packets[q.head:])
	clear(q.packets[n:])
	q.packets, q.head, q.first = q.packets[:n], 0, [2]int{}
}

// lose notes a packet that is not put.
func (q *packetQueue) lose(p Packet) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.configs.lose(p)
}

// fail says that no more packets come, and why.
func (q *packetQueue) fail(err error) {
	q.mu.Lock()
	q.err = err
	q.mu.Unlock()
	signal(q.filled)
}

// get returns the oldest packet, waiting for one; after the last one it
// returns the error given to fail, and after patience without one, at once when
// that is not above zero, an *Error of KindSourceStalled. A ctx that has ended
// wins.
func (q *packetQueue) get(ctx context.Context, patience time.Duration) (Packet, error) {
	var stalled <-chan time.Time
	for {
		if ctx.Err() != nil {
			return Packet{}, context.Cause(ctx)
		}
		p, ok, err := q.tryGet()
		if ok || err != nil {
			return p, err
		}
		if patience <= 0 {
			return Packet{}, errStalled
		}
		if stalled == nil {
			t := time.NewTimer(patience)
			defer t.Stop()
			stalled = t.C
		}
		select {
		case <-q.filled:
		case <-ctx.Done():
		case <-stalled:
			return Packet{}, errStalled
		}
	}
}

var errStalled = &Error{Kind: KindSourceStalled, Op: "read source", Err: ErrStalled}

func (q *packetQueue) tryGet() (Packet, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.packets) {
		return Packet{}, false, q.err
	}
	p := q.packets[q.head]
	q.packets[q.head] = Packet{}
	q.head++
	q.bytes -= p.Size()
	if q.head == len(q.packets) {
		q.packets, q.head, q.first = q.packets[:0], 0, [2]int{}
	}
	if q.roomyLocked() {
		signal(q.drained)
	}
	return p, true, nil
}

// keysWithin returns how many keys stand in the first reach of media queued. The
// source's clock may break in between.
func (q *packetQueue) keysWithin(reach time.Duration, by leader) (keys int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var at, last time.Duration
	begun := false
	for i := q.head; i < len(q.packets); i++ {
		p := &q.packets[i]
		if p.Track != by.track {
			continue
		}
		if !p.NoDTS {
			if step := p.DTS - last; begun && step > 0 && step < maxForward {
				at += step
			}
			last, begun = p.DTS, true
		}
		if at > reach {
			break
		}
		if by.isKey(p) {
			keys++
		}
	}
	return keys
}

// left returns how many packets are queued.
func (q *packetQueue) left() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int64(len(q.packets) - q.head)
}

// buffered returns how much media is queued.
func (q *packetQueue) buffered() time.Duration {
	spans := q.spans()
	return max(spans[0], spans[1])
}

// spans returns how much media of each track is queued.
func (q *packetQueue) spans() [2]time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return [2]time.Duration{q.trackLocked(0), q.trackLocked(1)}
}

// takeDropped returns how many packets were thrown away since it was asked
// last.
func (q *packetQueue) takeDropped() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.dropped
	q.dropped = 0
	return n
}

func (q *packetQueue) fullLocked() bool {
	return q.aheadLocked() > q.limits.span+q.apart || q.bytes > q.limits.bytes
}

// lagsLocked says whether what is queued and what lies behind the reader are too
// much together.
func (q *packetQueue) lagsLocked() bool {
	return q.limits.beyond != nil && q.aheadLocked() > q.limits.span-q.limits.beyond()
}

func (q *packetQueue) roomyLocked() bool {
	return q.aheadLocked() <= q.limits.span/2+q.apart && q.bytes <= q.limits.bytes/2
}

// noteLocked takes note of the times of a packet that was put.
func (q *packetQueue) noteLocked(p Packet) {
	if p.NoDTS {
		return
	}
	if !q.begun {
		q.begun, q.newest = true, [2]time.Duration{p.DTS, p.DTS}
	}
	q.newest[p.Track] = p.DTS
	if late := q.newest[1-p.Track] - p.DTS; late <= q.limits.weave {
		q.apart = max(q.apart, late-q.limits.span/2)
	}
}

// aheadLocked is the media time queued that tells whether there is enough: that
// of the track of which there is more, or, where they are woven, of which there
// is less and which still comes.
func (q *packetQueue) aheadLocked() time.Duration {
	if q.limits.weave == 0 {
		return q.spanLocked()
	}
	video, audio := q.trackLocked(0), q.trackLocked(1)
	switch behind := q.newest[0] - q.newest[1]; {
	case behind > q.limits.weave:
		return video
	case behind < -q.limits.weave:
		return audio
	default:
		return min(video, audio)
	}
}

// spanLocked is the longest media time queued of a track: tracks need not be
// at the same DTS.
func (q *packetQueue) spanLocked() time.Duration { return max(q.trackLocked(0), q.trackLocked(1)) }

// trackLocked is the media time queued of a track.
func (q *packetQueue) trackLocked(track int) time.Duration {
	for i := max(q.first[track], q.head); i < len(q.packets); i++ {
		q.first[track] = i
		if p := &q.packets[i]; p.Track == track && !p.NoDTS {
			return max(q.newest[track]-p.DTS, 0)
		}
	}
	q.first[track] = len(q.packets)
	return 0
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
