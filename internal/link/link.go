// Package link is a network for tests, between a process and a server, that can
// be cut.
package link

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Link is a network between a process and a server: it carries TCP until it is
// cut. A cut one swallows everything without a word, as a broken network does;
// healing resets the connections of before.
type Link struct {
	listener net.Listener
	upstream string
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	down   chan struct{}         // closed while cut; replaced by Heal
	conns  map[net.Conn]struct{} // both ends
	mine   map[string]struct{}   // local addresses of connections to upstream
}

// New starts a link to upstream, a TCP address, that ends with the test.
func New(t testing.TB, upstream string) *Link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &Link{
		listener: listener, upstream: upstream, down: make(chan struct{}),
		conns: map[net.Conn]struct{}{}, mine: map[string]struct{}{},
	}
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
	_, ok := l.mine[remote]
	return ok
}

// Cut ends the traffic without a word, until Heal.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.down:
	default:
		close(l.down)
	}
}

// IsCut says whether it is cut.
func (l *Link) IsCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.down:
		return true
	default:
		return false
	}
}

// Heal lets new connections through and resets those of before.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = make(chan struct{})
	for c := range l.conns {
		_ = c.Close()
	}
}

// Reset breaks the connections of now; new ones get through.
func (l *Link) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
}

// HangUp ends the connections of now in an orderly way (FIN), without a word.
func (l *Link) HangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.(*net.TCPConn).CloseWrite()
	}
}

func (l *Link) close() {
	l.mu.Lock()
	l.closed = true
	_ = l.listener.Close()
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.mu.Lock()
		down := l.down
		kept := l.keep(near)
		l.mu.Unlock()
		if kept {
			l.running.Go(func() { l.carry(near, down) })
		}
	}
}

// keep notes a connection, under l.mu.
func (l *Link) keep(c net.Conn) bool {
	if l.closed {
		_ = c.Close()
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Link) drop(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	_ = c.Close()
}

func (l *Link) carry(near net.Conn, down <-chan struct{}) {
	defer l.drop(near)
	select {
	case <-down: // its packets go nowhere
		_, _ = io.Copy(io.Discard, near)
		return
	default:
	}
	far, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.upstream)
	if err != nil {
		return
	}
	defer l.drop(far)
	l.mu.Lock()
	kept := l.keep(far)
	l.mine[far.LocalAddr().String()] = struct{}{}
	l.mu.Unlock()
	if !kept {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { pipe(far, near, down) })
	both.Go(func() { pipe(near, far, down) })
	both.Wait()
}

// pipe carries one direction until its end, which it passes on, or until the
// link is cut: then it reads on and passes on nothing.
func pipe(to, from net.Conn, down <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-down:
			if err != nil {
				return
			}
			continue
		default:
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				_ = from.(*net.TCPConn).SetLinger(0)
				_ = from.Close()
				return
			}
		}
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}
