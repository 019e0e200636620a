package source

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/datarhei/gosrt/packet"
)

// srtLink sends and receives the packets of one connection.
type srtLink struct {
	conn  net.Conn
	begin time.Time
	id    uint32
	peer  uint32
	sent  time.Time // the last packet
	heard time.Time
	out   bytes.Buffer
}

func newSRTLink(conn net.Conn) srtLink {
	return srtLink{conn: conn, begin: time.Now(), id: rand.Uint32()>>2 | 1}
}

// since is the time of the connection, in microseconds.
func (l *srtLink) since() uint64 { return uint64(time.Since(l.begin).Microseconds()) }

// control makes a control packet.
func (l *srtLink) control(kind packet.CtrlType) packet.Packet {
	p := packet.NewPacket(l.conn.RemoteAddr())
	h := p.Header()
	h.IsControlPacket, h.ControlType = true, kind
	return p
}

func (l *srtLink) send(p packet.Packet) error {
	h := p.Header()
	h.Timestamp, h.DestinationSocketId = uint32(l.since()), l.peer
	l.out.Reset()
	err := p.Marshal(&l.out)
	p.Decommission()
	if err != nil {
		return err
	}
	l.sent = time.Now()
	_, err = l.conn.Write(l.out.Bytes())
	return err
}

// receive returns the next packet, nil where none comes within a tick.
func (l *srtLink) receive(ctx context.Context) (packet.Packet, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(srtTick))
	var b [srtPacket]byte
	n, err := l.conn.Read(b[:])
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := packet.NewPacketFromData(l.conn.RemoteAddr(), b[:n])
	if err != nil || p.Header().DestinationSocketId != l.id {
		return nil, nil // it is for somebody else
	}
	return p, nil
}

// srtTrips measures how long a confirmation and the answer to it are on their way (4.10).
type srtTrips struct {
	acks   map[uint32]time.Time // sent, by number
	acked  uint32               // number of the last
	rtt    time.Duration
	jitter time.Duration
}

func newSRTTrips() srtTrips {
	return srtTrips{acks: map[uint32]time.Time{}, rtt: 100 * time.Millisecond, jitter: 50 * time.Millisecond}
}

// out returns the number of a confirmation that is sent now.
func (t *srtTrips) out() uint32 {
	t.acked++
	t.acks[t.acked] = time.Now()
	delete(t.acks, t.acked-srtWindow)
	return t.acked
}

// back takes the answer to a number, and says whether it tells anything.
func (t *srtTrips) back(number uint32) bool {
	sent, ok := t.acks[number]
	if ok {
		now := time.Since(sent)
		t.jitter += ((t.rtt - now).Abs() - t.jitter) / 4
		t.rtt += (now - t.rtt) / 8
	}
	for n := range t.acks {
		if n <= number {
			delete(t.acks, n)
		}
	}
	return ok
}

// srtBuffer is what has come and waits for libav: media.Bytes of what one goroutine
// adds and another reads.
type srtBuffer struct {
	forward
	mu      sync.Mutex
	waiting []byte
	came    chan struct{} // of one: something waits, or it is over
	failure error
}

func newSRTBuffer() *srtBuffer { return &srtBuffer{came: make(chan struct{}, 1)} }

// add adds what comes next, unless too much waits.
func (b *srtBuffer) add(data []byte) {
	b.mu.Lock()
	if len(b.waiting) < srtWaiting {
		b.waiting = append(b.waiting, data...)
	}
	b.mu.Unlock()
	b.wake()
}

// end says why nothing more comes.
func (b *srtBuffer) end(err error) {
	b.mu.Lock()
	b.failure = err
	b.mu.Unlock()
	b.wake()
}

func (b *srtBuffer) wake() {
	select {
	case b.came <- struct{}{}:
	default:
	}
}

// Read is io.Reader's. It waits until something has come, or nothing will.
func (b *srtBuffer) Read(to []byte) (int, error) {
	for {
		b.mu.Lock()
		n := copy(to, b.waiting)
		err := b.failure
		if b.waiting = b.waiting[n:]; len(b.waiting) == 0 {
			b.waiting = nil
		}
		b.mu.Unlock()
		if n > 0 || err != nil {
			return n, err
		}
		<-b.came
	}
}

func (b *srtBuffer) refusal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return refused(b.failure)
}
