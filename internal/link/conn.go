package link

import (
	"net"
	"sync"
	"sync/atomic"
)

// conn is a connection over a link.
type conn struct {
	near, far *net.TCPConn // far is nil for one that came while the link was cut
	cut       *atomic.Bool // the link's
	broken    atomic.Bool
	flows     sync.WaitGroup // both directions
}

// reset breaks both ends. What the one was still to be told of the other's end
// is not said any more: it would be an orderly one.
func (c *conn) reset() {
	c.broken.Store(true)
	for _, end := range c.ends() {
		_ = end.SetLinger(0)
		_ = end.Close()
	}
}

// hangUp tells both ends that nothing more comes. Where one sends on, it
// breaks.
func (c *conn) hangUp() {
	for _, end := range c.ends() {
		_ = end.CloseWrite()
	}
}

// end closes a connection that neither end uses any more. On a cut link nobody
// hears of it.
func (c *conn) end() {
	if c.cut.Load() {
		return
	}
	for _, end := range c.ends() {
		_ = end.Close()
	}
}

func (c *conn) ends() []*net.TCPConn {
	if c.far == nil {
		return []*net.TCPConn{c.near}
	}
	return []*net.TCPConn{c.near, c.far}
}

// sink is the end of a connection that toxiproxy writes to. It takes everything,
// whatever becomes of it: after a write that fails, toxiproxy leaves behind for
// ever the goroutines that have more to write. And it passes on an end of one
// direction as what it is, where toxiproxy would close both.
type sink struct {
	c  *conn
	to *net.TCPConn // nil: nowhere
}

func (s *sink) Write(p []byte) (int, error) {
	if s.to == nil {
		return len(p), nil
	}
	if _, err := s.to.Write(p); err != nil {
		s.c.reset()
	}
	return len(p), nil
}

// Close is called once.
func (s *sink) Close() error {
	defer s.c.flows.Done()
	if s.to == nil || s.c.cut.Load() || s.c.broken.Load() {
		return nil
	}
	return s.to.CloseWrite()
}
