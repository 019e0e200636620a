package rtmp

import (
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What the kernel holds for a room that reads too slowly is bounded in time,
// because it is what viewers get late: backlogSlots of media, and what is sent
// until the next look, a slot later. A round trip of a second still passes.
const (
	backlogSlot  = 250 * time.Millisecond
	backlogSlots = 4
	// backlogPoll is how often a room that is too slow is looked at: the kernel
	// tells of its buffer, not of this.
	backlogPoll = 20 * time.Millisecond
	// roundTrip is what is unconfirmed of a room that is far away and not slow.
	roundTrip = backlogSlot
)

// backlog says how much the room's machine may leave unconfirmed. The size of
// the send buffer cannot bound it where bit rates are low: Linux fills the last
// segment up to 64 KiB whatever that size is (tcp_sendmsg_locked looks at it,
// and at TCP_NOTSENT_LOWAT, only before it begins another), and those are eight
// seconds of sound. The zero value is one of a connection that cannot be asked.
type backlog struct {
	conn    syscall.RawConn
	look    func(fd uintptr) // asks the kernel; made once, for it would cost an allocation
	held    int              // what look found
	written [backlogSlots]int64
	slots   int           // begun so far
	next    time.Duration // DTS at which the next one begins

	// For those who do not write.
	busy   atomic.Bool  // packets are being written
	looked atomic.Int64 // when, in Unix nanoseconds
	late   atomic.Int64 // time.Duration of media that was unconfirmed then
}

// watch makes the backlog that of conn, where that is TCP.
func (b *backlog) watch(conn net.Conn) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		b.conn = raw
		b.look = func(fd uintptr) {
			if n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
				b.held = n
			}
		}
	}
}

// limit returns how many of the bytes written so far the room may still have to
// confirm before a packet of dts goes out, and whether it is time to look: once
// a slot. Over TLS somewhat less time is allowed: the kernel counts its records.
func (b *backlog) limit(dts time.Duration, written int64) (bytes int64, due bool) {
	if b.conn == nil || dts < b.next {
		return 0, false
	}
	oldest := &b.written[b.slots%backlogSlots]
	bytes, due = written-*oldest, b.slots >= backlogSlots
	*oldest, b.next = written, dts+backlogSlot
	b.slots++
	return bytes, due
}

// unconfirmed returns how many bytes are in the kernel or under way.
func (b *backlog) unconfirmed() int64 {
	b.held = 0 // of a closed connection: the next write tells
	_ = b.conn.Control(b.look)
	return int64(b.held)
}

// lateness returns how much of the media written is in that many bytes, beyond a
// round trip.
func (b *backlog) lateness(held, written int64) (late time.Duration) {
	for _, at := range b.written {
		if sent := written - at; 0 < sent && sent <= held {
			late += backlogSlot
		}
	}
	return max(0, late-roundTrip)
}

func (b *backlog) note(late time.Duration) {
	b.late.Store(int64(late))
	b.looked.Store(time.Now().UnixNano())
}

// span returns how much media is unconfirmed because the room is slow: what was
// found at the last look, if that is not long ago. It may be called beside the
// other methods.
func (b *backlog) span() time.Duration {
	if !b.busy.Load() && time.Since(time.Unix(0, b.looked.Load())) > 2*backlogSlot {
		return 0
	}
	return time.Duration(b.late.Load())
}

// settle waits until the room has so much of what was written that a packet of
// dts may follow. Like a write, it is cut by end and by the end of the followed
// context, and lasts at most as long as one. The caller holds the turn.
func (o *output) settle(dts time.Duration) error {
	written := int64(o.counter.Count())
	limit, due := o.backlog.limit(dts, written)
	if !due {
		return nil
	}
	held := o.backlog.unconfirmed()
	if held <= limit {
		o.backlog.note(o.backlog.lateness(held, written))
		return nil
	}
	o.backlog.note((backlogSlots + 1) * backlogSlot)
	poll := time.NewTicker(backlogPoll)
	defer poll.Stop()
	for begin := time.Now(); o.backlog.unconfirmed() > limit; <-poll.C {
		if o.over() || time.Since(begin) >= o.timeout {
			return os.ErrDeadlineExceeded
		}
	}
	return nil
}

// over says whether no more is to be written for now.
func (o *output) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cut || o.shut
}
