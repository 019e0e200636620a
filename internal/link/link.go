// Package link is a network for tests, between a process and a server, that can
// be cut, slowed down and broken.
package link

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Link is a network between a process and a server: it carries TCP until it is
// cut. A cut one swallows everything without a word, as a broken network does;
// healing resets the connections of before.
type Link struct {
	listener net.Listener
	upstream string
	cut      atomic.Bool
	rate     atomic.Int64
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  []conn // all there ever were
}

// conn is a connection over a link: its ends, of which there is only the near
// one when it came while the link was cut.
type conn []*net.TCPConn

// New starts a link to upstream, a TCP address, that ends with the test.
func New(t testing.TB, upstream string) *Link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &Link{listener: listener, upstream: upstream}
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Addr is where it listens.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Owns says whether a connection that the upstream sees as this remote address
// came over this link.
func (l *Link) Owns(remote string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		if len(c) == 2 && c[1].LocalAddr().String() == remote {
			return true
		}
	}
	return false
}

// Cut ends the traffic without a word, until Heal.
func (l *Link) Cut() { l.cut.Store(true) }

// IsCut says whether it is cut.
func (l *Link) IsCut() bool { return l.cut.Load() }

// Heal lets new connections through and resets those of before, if it was cut.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut.Load() {
		l.reset()
		l.cut.Store(false)
	}
}

// Slow lets so many bytes a second through, in each direction of every
// connection. With 0 there is no limit; what is on its way is not lost.
func (l *Link) Slow(rate int) { l.rate.Store(int64(rate)) }

// Reset breaks the connections of now; new ones get through.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reset()
}

func (l *Link) reset() {
	for _, c := range l.conns {
		c.reset()
	}
}

// HangUp ends the connections of now in an orderly way (FIN), without a word.
// Where an end sends on, its connection breaks.
func (l *Link) HangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		for _, end := range c {
			_ = end.CloseWrite()
		}
	}
}

func (l *Link) close() {
	l.mu.Lock()
	l.closed = true
	_ = l.listener.Close()
	l.reset()
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.carry(near.(*net.TCPConn)) })
	}
}

// carry returns when both ends of a new connection are done with it. The server
// hears nothing of one that comes while the link is cut.
func (l *Link) carry(near *net.TCPConn) {
	c := conn{near}
	if !l.cut.Load() {
		far, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.upstream)
		if err != nil {
			_ = near.Close()
			return
		}
		c = append(c, far.(*net.TCPConn))
	}
	if !l.add(c) {
		c.reset()
		return
	}
	var flows sync.WaitGroup
	for i := range c {
		flows.Go(func() { l.flow(c, i) })
	}
	flows.Wait()
	if !l.cut.Load() { // else nobody hears of it
		c.close()
	}
}

// add returns false for a connection that leads nowhere any more.
func (l *Link) add(c conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || len(c) == 1 && !l.cut.Load() {
		return false
	}
	l.conns = append(l.conns, c)
	return true
}

// flow carries what comes from one end of a connection, and that it ends.
func (l *Link) flow(c conn, from int) {
	to := onward{link: l}
	if len(c) == 2 {
		to.end = c[1-from]
	}
	_, err := io.Copy(&to, c[from])
	switch {
	case to.lost():
	case err == nil:
		_ = to.end.CloseWrite()
	default:
		c.reset()
	}
}

// morsel is how long a slow link takes for what it lets through at once.
const morsel = 20 * time.Millisecond

// onward is the way to an end.
type onward struct {
	link *Link
	end  *net.TCPConn // nil: there is none
	due  time.Time    // of what was let through last
}

// lost says whether nothing gets there.
func (o *onward) lost() bool { return o.end == nil || o.link.cut.Load() }

// Write never fails on a cut link.
func (o *onward) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		size := o.pace(len(p) - sent)
		if o.lost() {
			break
		}
		if _, err := o.end.Write(p[sent : sent+size]); err != nil && !o.lost() {
			return sent, err
		}
		sent += size
	}
	return len(p), nil
}

// pace waits until some of the bytes may go, and returns how many.
func (o *onward) pace(bytes int) int {
	rate := o.link.rate.Load()
	if rate == 0 || o.lost() {
		return bytes
	}
	bytes = min(bytes, max(1, int(rate*int64(morsel)/int64(time.Second))))
	if earliest := time.Now().Add(-morsel); o.due.Before(earliest) {
		o.due = earliest
	}
	o.due = o.due.Add(time.Duration(bytes) * time.Second / time.Duration(rate))
	time.Sleep(time.Until(o.due))
	return bytes
}

// reset breaks every end.
func (c conn) reset() {
	for _, end := range c {
		_ = end.SetLinger(0)
	}
	c.close()
}

func (c conn) close() {
	for _, end := range c {
		_ = end.Close()
	}
}
