package link

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// load is what the tests send, and it is easy to see whether all of it came.
var load = bytes.Repeat([]byte("0123456789"), 10_000)

// takes returns how long the load is on its way.
func takes(t *testing.T, from, to *net.TCPConn) time.Duration {
	t.Helper()
	begin := time.Now()
	_, err := from.Write(load)
	require.NoError(t, err)
	arrives(t, to)
	return time.Since(begin)
}

func arrives(t *testing.T, to *net.TCPConn) {
	t.Helper()
	require.NoError(t, to.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, len(load))
	_, err := io.ReadFull(to, got)
	require.NoError(t, err)
	require.True(t, bytes.Equal(load, got))
}

func TestASlowLinkIsSlowBothWays(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	l.Slow(200_000)
	client, server := open(t, l, u)
	require.Greater(t, takes(t, client, server), 400*time.Millisecond)
	require.Greater(t, takes(t, server, client), 400*time.Millisecond)
}

func TestALinkThatIsSlowNoMoreCarriesOnAndLosesNothing(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	client, server := open(t, l, u)
	for range 2 {
		l.Slow(1000) // 100 s
		_, err := server.Write(load)
		require.NoError(t, err)
		l.Slow(0)
		arrives(t, client)
	}
}

func TestACutLinkIsStillSlowWhenItHeals(t *testing.T) {
	u := newUpstream(t)
	l := New(t, u.address())
	l.Slow(200_000)
	l.Cut()
	l.Heal()
	client, server := open(t, l, u)
	require.Greater(t, takes(t, client, server), 400*time.Millisecond)
}
