package fakeroom

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
)

const (
	writeTimeout = 5 * time.Second
	// lingerTime is how long a refused publisher may take to read why: closing
	// with unread input would reset the connection under the words.
	lingerTime = 500 * time.Millisecond

	// smallBuffer is the receive buffer of a connection not read, so that its
	// publisher notices soon. Below loopback's 64 KiB segments the kernel drops
	// them, and a healed connection waits for TCP's retransmission (measured:
	// 33 s). wideBuffer lets a healed one catch up.
	smallBuffer = 64 << 10
	wideBuffer  = 1 << 20

	windowAckSize = 2500000
	chunkSize     = 4096
)

var errInterrupted = errors.New("interrupted")

// verdict ends a connection: how its session ends, and what the publisher is
// told.
type verdict struct {
	end         EndReason
	code, words string
	abrupt      bool // reset, say nothing
}

func (v *verdict) Error() string { return v.words }

// conn is one RTMP connection. Its goroutine alone reads, writes and closes;
// others end it through interrupt.
type conn struct {
	srv  *Server
	nc   *net.TCPConn
	r    *rawmessage.Reader
	w    *message.Writer
	sess *session // nil while it does not publish
	slow atomic.Pointer[fault]

	mu      sync.Mutex
	verdict *verdict
	stop    chan struct{} // closed with verdict set
}

// interrupt ends the connection; the first verdict stands.
func (c *conn) interrupt(v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdict != nil {
		return
	}
	c.verdict = &v
	close(c.stop)
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

func (c *conn) run() {
	defer func() { _ = c.nc.Close() }()
	err := c.guarded()
	c.mu.Lock()
	v := c.verdict
	c.mu.Unlock()
	if v == nil && !errors.As(err, &v) {
		v = &verdict{end: EndLost, words: err.Error()}
	}
	if c.sess != nil {
		c.srv.end(c.sess, *v)
	}
	c.say(*v)
}

// guarded turns a panic of the protocol libraries into an error.
func (c *conn) guarded() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return c.serve()
}

func (c *conn) serve() error {
	if err := c.hold(c.srv.faults.take(Stall, target{atConnect: true}), always); err != nil {
		return err
	}
	bc := bytecounter.NewReadWriter(struct {
		io.Reader
		io.Writer
	}{throttle{c}, deadlined{c.nc}})
	key, _, err := handshake.DoServer(bc, false)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if key != nil {
		return errors.New("handshake: RTMPE is not taken here")
	}
	c.w = message.NewWriter(bc, bc.Writer, false)
	c.r = rawmessage.NewReader(bc, bc.Reader, func(n uint32) error {
		return c.w.Write(&message.Acknowledge{Value: n})
	})
	for {
		m, err := c.r.Read()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := c.handle(m); err != nil {
			return err
		}
	}
}

// say tells the publisher why, waits until it has gone, or resets.
func (c *conn) say(v verdict) {
	if v.abrupt {
		_ = c.nc.SetLinger(0)
		return
	}
	if v.code == "" || c.w == nil {
		return
	}
	if v.code != CodeConnectRejected {
		if err := c.status("error", v.code, v.words); err != nil {
			return
		}
	}
	_ = c.nc.CloseWrite()
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.Copy(io.Discard, c.nc)
}

// always is longer than any test.
const always = 1000 * time.Hour

// hold waits for d, or less when f is healed; a nil f does not hold.
func (c *conn) hold(f *fault, d time.Duration) error {
	if f == nil {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.healed:
		return nil
	case <-c.stop:
		return errInterrupted
	}
}

// throttle reads at the speed of the ReadSlowly fault in force.
type throttle struct{ c *conn }

func (t throttle) Read(p []byte) (int, error) {
	f := t.c.slow.Load()
	if f == nil {
		return t.c.nc.Read(p)
	}
	rate := max(1, f.BytesPerSecond)
	n, err := t.c.nc.Read(p[:min(len(p), max(1, rate/10))])
	if err != nil {
		return n, err
	}
	select {
	case <-f.healed:
		t.c.slow.Store(nil)
		_ = t.c.nc.SetReadBuffer(wideBuffer)
		return n, nil
	default:
		return n, t.c.hold(f, time.Duration(n)*time.Second/time.Duration(rate))
	}
}

// deadlined bounds every write.
type deadlined struct{ nc net.Conn }

func (d deadlined) Write(p []byte) (int, error) {
	if err := d.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return d.nc.Write(p)
}
