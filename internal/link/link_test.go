package link

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	// silence is how long nothing must come for it to count as nothing.
	silence = 200 * time.Millisecond
)

// upstream is a server that hands over what it accepts.
type upstream struct {
	listener net.Listener
	accepted chan *net.TCPConn
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u := &upstream{listener, make(chan *net.TCPConn, 100)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			u.accepted <- c.(*net.TCPConn)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
		for len(u.accepted) > 0 {
			_ = (<-u.accepted).Close()
		}
	})
	return u
}

func (u *upstream) address() string { return u.listener.Addr().String() }

// accept returns the next connection that came.
func (u *upstream) accept(t *testing.T) *net.TCPConn {
	t.Helper()
	select {
	case c := <-u.accepted:
		t.Cleanup(func() { _ = c.Close() })
		return c
	case <-time.After(patience):
		t.Fatal("no connection came")
		return nil
	}
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

// open returns the two ends of a connection over the link that works.
func open(t *testing.T, l *Link, u *upstream) (client, server *net.TCPConn) {
	t.Helper()
	client = dial(t, l.Addr())
	server = u.accept(t)
	carries(t, client, server)
	carries(t, server, client)
	return client, server
}

func carries(t *testing.T, from, to *net.TCPConn) {
	t.Helper()
	_, err := from.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, to.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, 5)
	_, err = io.ReadFull(to, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

// ends returns how a connection is over.
func ends(t *testing.T, c *net.TCPConn) error {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	n, err := c.Read(make([]byte, 100))
	require.Zero(t, n)
	return err
}

// hearsNothing demands that no data come, and no end either.
func hearsNothing(t *testing.T, c *net.TCPConn) {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(silence)))
	n, err := c.Read(make([]byte, 100))
	require.Zero(t, n)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestALinkPassesAnEndOnAndLetsTheOtherWayGoOn(t *testing.T) {
	u := newUpstream(t)
	client, server := open(t, New(t, u.address()), u)
	require.NoError(t, client.CloseWrite())
	require.ErrorIs(t, ends(t, server), io.EOF)
	carries(t, server, client)
	require.NoError(t, server.Close())
	require.ErrorIs(t, ends(t, client), io.EOF)
}

func TestALinkKnowsItsOwnConnections(t *testing.T) {
	u := newUpstream(t)
	one, other := New(t, u.address()), New(t, u.address())
	_, server := open(t, one, u)
	remote := server.RemoteAddr().String()
	require.True(t, one.Owns(remote))
	require.False(t, other.Owns(remote))
	one.Reset()
	require.True(t, one.Owns(remote), "of one that is over, too")
}

func TestACutLinkSwallowsEverythingWithoutAWord(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	client, server := open(t, l, u)
	leaver, left := open(t, l, u)
	l.Cut()
	l.Cut()
	require.True(t, l.IsCut())
	fresh := dial(t, l.Addr())
	for _, c := range []*net.TCPConn{client, server, fresh} {
		require.NoError(t, c.SetWriteBuffer(64<<10))
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(patience)))
		_, err := c.Write(make([]byte, 2<<20)) // more than kernels hold for who does not read
		require.NoError(t, err)
	}
	require.NoError(t, leaver.Close())
	for _, c := range []*net.TCPConn{client, server, fresh, left} {
		hearsNothing(t, c)
	}
	require.Empty(t, u.accepted, "the server hears of no new connection")

	l.Heal()
	require.False(t, l.IsCut())
	for _, c := range []*net.TCPConn{client, server, fresh, left} {
		require.ErrorIs(t, ends(t, c), syscall.ECONNRESET)
	}
	open(t, l, u)
}

func TestNothingOfABrokenConnectionStaysBehindUnderTraffic(t *testing.T) {
	for name, end := range map[string]func(*Link){
		"cut and healed": func(l *Link) { l.Cut(); l.Heal() },
		"reset":          (*Link).Reset,
		"hung up":        (*Link).HangUp,
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			l := New(t, u.address())
			before := goleak.IgnoreCurrent()
			for range 20 {
				client, server := open(t, l, u)
				var both sync.WaitGroup
				for _, c := range []*net.TCPConn{client, server} {
					both.Go(func() { pour(c) })
					both.Go(func() { _, _ = io.Copy(io.Discard, c) })
				}
				end(l)
				both.Wait()
			}
			goleak.VerifyNone(t, before)
		})
	}
}

// pour writes until the connection is over.
func pour(c *net.TCPConn) {
	for data := make([]byte, 10_000); ; {
		if _, err := c.Write(data); err != nil {
			return
		}
	}
}

func TestAResetBreaksTheConnectionsOfNow(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	client, server := open(t, l, u)
	l.Reset()
	require.ErrorIs(t, ends(t, client), syscall.ECONNRESET)
	require.ErrorIs(t, ends(t, server), syscall.ECONNRESET)
	open(t, l, u)
}

func TestAHangUpEndsTheConnectionsOfNowInOrder(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	client, server := open(t, l, u)
	l.HangUp()
	require.ErrorIs(t, ends(t, client), io.EOF)
	require.ErrorIs(t, ends(t, server), io.EOF)
	open(t, l, u)
}

func TestALinkToNobodyHangsUp(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	require.NoError(t, u.listener.Close())
	require.Error(t, ends(t, dial(t, l.Addr())))
}
