package rtmp

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestARoomThatIsAwaySaysSoInWords(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	refusing := closed.Addr().String()
	require.NoError(t, closed.Close())
	const patience = 20 * time.Second
	for name, c := range map[string]struct {
		serve    func(net.Conn)
		patience time.Duration
		want     string
	}{
		"refuses":  {nil, patience, "its server refuses connections: is it running, and is the port right?"},
		"hangs up": {func(c net.Conn) { _ = c.Close() }, patience, "the connection to its server broke"},
		"speaks otherwise": {func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, patience, "its server does not speak RTMP"},
		"never says a word": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, 500 * time.Millisecond, "it did not accept the publish in time"},
	} {
		t.Run(name, func(t *testing.T) {
			address := refusing
			if c.serve != nil {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				require.NoError(t, err)
				address = l.Addr().String()
				done := make(chan struct{})
				go func() {
					defer close(done)
					if conn, err := l.Accept(); err == nil {
						c.serve(conn)
						_ = conn.Close()
					}
				}()
				defer func() { _ = l.Close(); <-done }()
			}
			d := &Dialer{Timeout: c.patience}
			_, err := d.Dial(context.Background(), media.PublishAddress{URL: media.Secret("rtmp://" + address + "/app/key")}, testTracks())
			reason, told := errors.AsType[*media.Reason](err)
			require.True(t, told, "%v", err)
			t.Logf("%v", err)
			require.Contains(t, reason.Words, c.want)
		})
	}
}
