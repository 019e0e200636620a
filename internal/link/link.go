// Package link is a network for tests, between a process and a server, that can
// be cut, slowed down and broken. Toxiproxy carries what goes over it.
package link

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// Link is a network between a process and a server: it carries TCP until it is
// cut. A cut one swallows everything without a word, as a broken network does;
// healing resets the connections of before.
//
// It accepts and dials itself, and leaves the rest to toxiproxy's links and
// toxics. Toxiproxy's own Proxy tells nobody the addresses it dials from, which
// Owns compares; its reset_peer ends connections that are there already in
// order, and not before there is something for them; and to close them all it
// closes its listener, whose port may be taken before it listens again.
type Link struct {
	t        testing.TB
	listener net.Listener
	upstream string
	server   *toxiproxy.ApiServer // not listening
	toxics   *toxiproxy.ToxicCollection
	running  sync.WaitGroup
	cut      atomic.Bool

	mu     sync.Mutex
	closed bool
	conns  []*conn  // all there ever were
	added  []string // toxics, by name
}

// New starts a link to upstream, a TCP address, that ends with the test.
func New(t testing.TB, upstream string) *Link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics log where no logger of ours reaches
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &Link{
		t: t, listener: listener, upstream: upstream, server: server,
		toxics: toxiproxy.NewProxy(server, t.Name(), listener.Addr().String(), upstream).Toxics,
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
	for _, c := range l.conns {
		if c.far != nil && c.far.LocalAddr().String() == remote {
			return true
		}
	}
	return false
}

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
func (l *Link) HangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.hangUp()
	}
}

func (l *Link) close() {
	l.mu.Lock()
	l.closed = true
	_ = l.listener.Close()
	l.reset()
	l.clean() // a slow link would be slow to end
	l.mu.Unlock()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.carry(&conn{cut: &l.cut, near: near.(*net.TCPConn)}) })
	}
}

// carry gives a new connection to toxiproxy. The server hears nothing of one
// that comes while the link is cut.
func (l *Link) carry(c *conn) {
	if !l.cut.Load() {
		far, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.upstream)
		if err != nil {
			_ = c.near.Close()
			return
		}
		c.far = far.(*net.TCPConn)
	}
	if l.start(c) {
		c.flows.Wait()
		c.end()
	}
}

// start returns false for a connection that leads nowhere any more.
func (l *Link) start(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || c.far == nil && !l.cut.Load() {
		c.reset()
		return false
	}
	name := strconv.Itoa(len(l.conns)) // an address may come again too soon
	l.conns = append(l.conns, c)
	c.flows.Add(1)
	l.toxics.StartLink(l.server, name+"upstream", c.near, &sink{c, c.far}, stream.Upstream)
	if c.far != nil {
		c.flows.Add(1)
		l.toxics.StartLink(l.server, name+"downstream", c.far, &sink{c, c.near}, stream.Downstream)
	}
	return true
}
