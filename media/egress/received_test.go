package egress

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatComesFromASourceIsCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	sent := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = c.Write(make([]byte, 12345))
			_ = c.Close()
		}
		sent <- err
	}()
	g := newGate(t, Config{Allow: []string{"127.0.0.0/8"}})
	at := netip.MustParseAddrPort(l.Addr().String())
	conn, err := g.dial(t.Context(), target{scheme: "rtmp", host: "127.0.0.1", addr: at.Addr(), port: at.Port()})
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, conn)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, <-sent)
	require.EqualValues(t, 12345, g.Received())
}
