package rtmp

import (
	"bytes"
	"context"
	"net"
	"sync"
	"time"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/message"

	"github.com/roomcast/roomcast/media/rtmp/peer"
)

const (
	// maxControl bounds answers that wait while the room does not read.
	maxControl = 64 << 10
	// maxPooled is the largest buffer that is kept for the next packets.
	maxPooled = 1 << 20
)

// longAgo is a deadline that ends a write at once.
var longAgo = time.Unix(1, 0)

// output is the sending side of a connection. Whoever holds the turn writes.
// The reader must never wait for it, or it would miss why a room stopped
// reading: it leaves its answers in ctl, and the holder sends them.
//
// A write that is cut short leaves its rest in buf, so that the next one, or
// Close, goes on at the right byte.
type output struct {
	conn    net.Conn
	counter *bytecounter.Writer
	timeout time.Duration // of one write
	pool    *sync.Pool    // of *[]byte
	turn    chan struct{}

	// Of the holder of the turn.
	buf     *[]byte // nil when nothing is left to send
	backlog backlog
	watched <-chan struct{}
	unwatch func() bool

	mu    sync.Mutex
	watch int       // names the watch whose end may cut a write
	cut   bool      // the watched context has ended
	shut  bool      // the session has ended
	armed time.Time // when the write deadline was last moved

	ctl control
}

// control is what the reader has left to be sent.
type control struct {
	mu     sync.Mutex
	bytes  bytes.Buffer
	writer *message.Writer // into bytes
}

func newOutput(conn net.Conn, counter *bytecounter.Writer, timeout time.Duration, pool *sync.Pool) *output {
	o := &output{conn: conn, counter: counter, timeout: timeout, pool: pool, turn: make(chan struct{}, 1)}
	o.ctl.writer = message.NewWriter(&o.ctl.bytes, bytecounter.NewWriter(&o.ctl.bytes), false)
	return o
}

// acquire takes the turn, or returns the cause of ctx's end.
func (o *output) acquire(ctx context.Context) error {
	select {
	case o.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case o.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release gives the turn back and sends what the reader left meanwhile.
func (o *output) release() {
	<-o.turn
	o.sendControl()
}

// begin returns the buffer to append to: what is left of a cut write and the
// waiting control messages stand in it. The caller holds the turn.
func (o *output) begin() *[]byte {
	if o.buf == nil {
		if b, ok := o.pool.Get().(*[]byte); ok {
			o.buf = b
		} else {
			o.buf = new([]byte)
		}
		*o.buf = (*o.buf)[:0]
	}
	o.ctl.mu.Lock()
	defer o.ctl.mu.Unlock()
	*o.buf = append(*o.buf, o.ctl.bytes.Bytes()...)
	o.ctl.bytes.Reset()
	return o.buf
}

// flush writes the buffer in one call. The caller holds the turn.
func (o *output) flush() error {
	o.arm()
	b := *o.buf
	n, err := o.counter.Write(b)
	if err != nil {
		*o.buf = b[:copy(b, b[n:])]
		return err
	}
	if cap(b) <= maxPooled {
		o.pool.Put(o.buf)
	}
	o.buf = nil
	return nil
}

// queue adds messages to the ones that wait.
func (o *output) queue(ms ...message.Message) error {
	o.ctl.mu.Lock()
	defer o.ctl.mu.Unlock()
	for _, m := range ms {
		if err := o.ctl.writer.Write(m); err != nil {
			return err
		}
	}
	if o.ctl.bytes.Len() > maxControl {
		return peer.ErrProtocol
	}
	return nil
}

// control sends m now if nobody is writing, else after that write. A failing
// connection is left to the next read or packet to notice.
func (o *output) control(m message.Message) error {
	if err := o.queue(m); err != nil {
		return err
	}
	o.sendControl()
	return nil
}

func (o *output) sendControl() {
	for o.waiting() {
		select {
		case o.turn <- struct{}{}:
		default:
			return // its holder asks again after giving it back
		}
		o.begin()
		err := o.flush()
		<-o.turn
		if err != nil {
			return
		}
	}
}

func (o *output) waiting() bool {
	o.ctl.mu.Lock()
	defer o.ctl.mu.Unlock()
	return o.ctl.bytes.Len() > 0
}

// arm moves the write deadline ahead, not at every packet: a write may take
// between seven eighths of timeout and timeout.
func (o *output) arm() {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.cut || o.shut || now.Sub(o.armed) < o.timeout/8 {
		return
	}
	o.armed = now
	_ = o.conn.SetWriteDeadline(now.Add(o.timeout))
}

// follow lets the end of ctx cut the writes from now on. Following the same
// context again costs nothing. The caller holds the turn.
func (o *output) follow(ctx context.Context) {
	if ctx.Done() == o.watched {
		return
	}
	watch := o.forget()
	if o.watched = ctx.Done(); o.watched == nil {
		return
	}
	o.unwatch = context.AfterFunc(ctx, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.watch == watch {
			o.cut = true
			_ = o.conn.SetWriteDeadline(longAgo)
		}
	})
}

// forget ends the watch and returns the number of the next one. The caller
// holds the turn.
func (o *output) forget() int {
	if o.unwatch != nil {
		o.unwatch()
	}
	o.unwatch, o.watched = nil, nil
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watch++
	o.cut, o.armed = false, time.Time{}
	return o.watch
}

// end cuts a running write and all later ones.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut = true
	_ = o.conn.SetWriteDeadline(longAgo)
}

// reopen allows one last write until deadline. The caller holds the turn.
func (o *output) reopen(deadline time.Time) {
	o.forget()
	o.mu.Lock()
	defer o.mu.Unlock()
	_ = o.conn.SetWriteDeadline(deadline)
}
