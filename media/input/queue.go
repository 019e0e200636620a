package input

import (
	"context"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// QueueLimits bounds a Queue.
type QueueLimits struct {
	Span  time.Duration // media time between the oldest and the newest packet
	Bytes int
	// drop says what to do when it is full: let the writer wait (files), or
	// throw away everything before the newest keyframe (live).
	drop bool
	// beyond is how much media lies behind the reader already, of a queue that
	// drops; nil: none.
	beyond func() time.Duration
	// alignSpan is how far a track may lie behind the other, in the order of the
	// source, so that the writer goes on until it has come; 0: it does not.
	alignSpan time.Duration
}

// Queue hands packets from the goroutine that reads a source to the one
// that feeds the room. It has one writer and one reader.
type Queue struct {
	limits QueueLimits

	mu      sync.Mutex
	packets []media.Packet // packets[head:] are queued
	head    int
	bytes   int
	err     error // why no more packets come; io.EOF at the end
	dropped int64
	late    [2]bool // some was thrown away, by track, and none put since
	pending bitstream.Pending
	begun   bool             // a packet with a DTS has come
	newest  [2]time.Duration // DTS of the newest packet of each track
	first   [2]int           // index, at or before that of each track's oldest packet with a DTS
	apart   time.Duration    // by how much more than is usual packets stood behind those of the other track
	// seekingKey is set while a live queue that had no keyframe to go on from
	// throws packets away until one comes.
	seekingKey bool

	// reads and writes say that somebody waits for filled, or drained: most packets are
	// put and taken while nobody does.
	reads, writes bool
	filled        chan struct{} // capacity 1: something was put or the end was set
	drained       chan struct{} // capacity 1: the queue fell below half its span
}

func NewQueue(l QueueLimits) *Queue {
	return &Queue{limits: l, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// Put appends p. In a queue that does not drop it waits for room or for ctx;
// isKey says whether the room could start at p.
func (q *Queue) Put(ctx context.Context, p media.Packet, isKey bool) error {
	q.mu.Lock()
	if q.limits.drop {
		q.dropLocked(isKey)
	}
	if q.seekingKey {
		q.dropped++
		q.late[p.Track] = true
		q.pending.LeaveOut(&p)
		q.mu.Unlock()
		return nil
	}
	q.pending.Attach(&p)
	p.Late, q.late[p.Track] = q.late[p.Track], false
	q.compactLocked()
	q.packets = append(q.packets, p)
	q.noteLocked(&p)
	q.bytes += p.Size()
	full := q.fullLocked()
	signal(q.filled, &q.reads)
	q.mu.Unlock()
	if !full || q.limits.drop {
		return nil
	}
	return q.waitForRoom(ctx)
}

// waitForRoom waits until half of the queue is free: a reader that wakes once
// for many packets costs less than one that wakes for each.
func (q *Queue) waitForRoom(ctx context.Context) error {
	for {
		q.mu.Lock()
		roomy := q.roomyLocked()
		q.writes = !roomy
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
func (q *Queue) dropLocked(isKey bool) {
	if q.seekingKey && isKey {
		q.seekingKey = false
	}
	if !q.fullLocked() && !q.lagsLocked() {
		return
	}
	q.dropped += int64(len(q.packets) - q.head)
	for i := q.head; i < len(q.packets); i++ {
		q.late[q.packets[i].Track] = true
		q.pending.LeaveOut(&q.packets[i])
	}
	q.packets, q.head, q.bytes, q.first = q.packets[:0], 0, 0, [2]int{}
	q.seekingKey = !isKey
}

// compactLocked takes back what has been read: a queue that is never empty
// would grow for ever.
func (q *Queue) compactLocked() {
	if len(q.packets) < cap(q.packets) || q.head < len(q.packets)/4 {
		return
	}
	n := copy(q.packets, q.packets[q.head:])
	clear(q.packets[n:])
	q.packets, q.head, q.first = q.packets[:n], 0, [2]int{}
}

// lose notes a packet that is not put.
func (q *Queue) lose(p media.Packet) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending.LeaveOut(&p)
}

// clear throws away what is queued, when nobody puts or takes any more.
func (q *Queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	media.Release(q.packets[q.head:])
	q.packets, q.head, q.bytes, q.first = nil, 0, 0, [2]int{}
}

// Fail says that no more packets come, and why.
func (q *Queue) Fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	signal(q.filled, &q.reads)
}

// Get returns the oldest packet, waiting for one; after the last one it
// returns the error given to fail, and after patience without one, at once when
// that is not above zero, an *Error of KindSourceStalled. A ctx that has ended
// wins.
func (q *Queue) Get(ctx context.Context, patience time.Duration) (media.Packet, error) {
	var stalled <-chan time.Time
	for {
		if ctx.Err() != nil {
			return media.Packet{}, context.Cause(ctx)
		}
		p, ok, err := q.tryGet()
		if ok || err != nil {
			return p, err
		}
		if patience <= 0 {
			return media.Packet{}, errStalled
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
			return media.Packet{}, errStalled
		}
	}
}

var errStalled = &media.Error{Kind: media.KindSourceStalled, Op: "read source", Err: media.ErrStalled}

func (q *Queue) tryGet() (media.Packet, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.packets) {
		q.reads = true
		return media.Packet{}, false, q.err
	}
	return q.takeLocked(), true, nil
}

// TakeWhile appends to packets what is queued, up to the first that f is false of.
func (q *Queue) TakeWhile(packets []media.Packet, f func(*media.Packet) bool) []media.Packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.head < len(q.packets) && f(&q.packets[q.head]) {
		packets = append(packets, q.takeLocked())
	}
	return packets
}

// takeLocked takes the oldest packet, which there is.
func (q *Queue) takeLocked() media.Packet {
	p := q.packets[q.head]
	q.packets[q.head] = media.Packet{}
	q.head++
	q.bytes -= p.Size()
	if q.head == len(q.packets) {
		q.packets, q.head, q.first = q.packets[:0], 0, [2]int{}
	}
	if q.writes && q.roomyLocked() {
		signal(q.drained, &q.writes)
	}
	return p
}

// KeysWithin returns how many keys stand in the first reach of media queued. The
// source's clock may break in between.
func (q *Queue) KeysWithin(reach time.Duration, by Leader) (keys int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var at, last time.Duration
	begun := false
	for i := q.head; i < len(q.packets); i++ {
		p := &q.packets[i]
		if p.Track != by.Track {
			continue
		}
		if !p.NoDTS {
			if step := p.DTS - last; begun && step > 0 && step < clock.MaxForward {
				at += step
			}
			last, begun = p.DTS, true
		}
		if at > reach {
			break
		}
		if by.IsKey(p) {
			keys++
		}
	}
	return keys
}

// Left returns how many packets are queued.
func (q *Queue) Left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.packets) - q.head
}

// Buffered returns how much media is queued.
func (q *Queue) Buffered() time.Duration {
	spans := q.Spans()
	return max(spans[0], spans[1])
}

// Spans returns how much media of each track is queued.
func (q *Queue) Spans() [2]time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return [2]time.Duration{q.trackLocked(0), q.trackLocked(1)}
}

// TakeDropped returns how many packets were thrown away since it was asked
// last.
func (q *Queue) TakeDropped() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.dropped
	q.dropped = 0
	return n
}

func (q *Queue) fullLocked() bool {
	return q.aheadLocked() > q.limits.Span+q.apart || q.bytes > q.limits.Bytes
}

// lagsLocked says whether what is queued and what lies behind the reader are too
// much together.
func (q *Queue) lagsLocked() bool {
	return q.limits.beyond != nil && q.aheadLocked() > q.limits.Span-q.limits.beyond()
}

func (q *Queue) roomyLocked() bool {
	return q.aheadLocked() <= q.limits.Span/2+q.apart && q.bytes <= q.limits.Bytes/2
}

// noteLocked takes note of the times of a packet that was put.
func (q *Queue) noteLocked(p *media.Packet) {
	if p.NoDTS {
		return
	}
	if !q.begun {
		q.begun, q.newest = true, [2]time.Duration{p.DTS, p.DTS}
	}
	q.newest[p.Track] = p.DTS
	if late := q.newest[1-p.Track] - p.DTS; late <= q.limits.alignSpan {
		q.apart = max(q.apart, late-q.limits.Span/2)
	}
}

// aheadLocked is the media time queued that tells whether there is enough: that
// of the track of which there is more, or, where they are aligned, of which there
// is less and which still comes.
func (q *Queue) aheadLocked() time.Duration {
	video, audio := q.trackLocked(0), q.trackLocked(1)
	if q.limits.alignSpan == 0 {
		return max(video, audio) // they need not be at the same DTS
	}
	switch behind := q.newest[0] - q.newest[1]; {
	case behind > q.limits.alignSpan:
		return video
	case behind < -q.limits.alignSpan:
		return audio
	default:
		return min(video, audio)
	}
}

// trackLocked is the media time queued of a track.
func (q *Queue) trackLocked(track int) time.Duration {
	for i := max(q.first[track], q.head); i < len(q.packets); i++ {
		q.first[track] = i
		if p := &q.packets[i]; p.Track == track && !p.NoDTS {
			return max(q.newest[track]-p.DTS, 0)
		}
	}
	q.first[track] = len(q.packets)
	return 0
}

// signal wakes who waits for c, if somebody does.
func signal(c chan struct{}, waits *bool) {
	if !*waits {
		return
	}
	*waits = false
	select {
	case c <- struct{}{}:
	default:
	}
}

// Leader is the track at whose keys the room can go on: the picture, or the
// sound where there is none.
type Leader struct {
	Track   int
	Picture bool
}

func (l Leader) IsKey(p *media.Packet) bool { return p.Track == l.Track && (p.Keyframe || !l.Picture) }
