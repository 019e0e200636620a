package libav

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// promptly is how long a call may last after its context's end: 200 ms as
// promised, and room for a noisy test machine under the race detector.
const promptly = 600 * time.Millisecond

var errTest = errors.New("the test ends it")

// listen runs serve for every connection until the test's end.
func listen(t *testing.T, serve func(net.Conn, <-chan struct{})) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	quit := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				serve(c, quit)
			})
		}
	})
	t.Cleanup(func() {
		close(quit)
		_ = l.Close()
		running.Wait()
	})
	return l.Addr().String()
}

func silent(_ net.Conn, quit <-chan struct{}) { <-quit }

// dripping answers with a body of which one byte comes a second.
func dripping(body []byte, atOnce int) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, quit <-chan struct{}) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n\r\n")
		_, _ = c.Write(body[:atOnce])
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for _, b := range body[atOnce:] {
			select {
			case <-quit:
				return
			case <-tick.C:
				_, _ = c.Write([]byte{b})
			}
		}
	}
}

func TestASeekOnASourceThatOnlyDripsHasStalled(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(clip(t, "plain.mp4"))
	require.NoError(t, err)
	var drips atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from := 0
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &from)
		if !drips.Load() {
			http.ServeContent(w, r, "a.mp4", time.Time{}, bytes.NewReader(data))
			return
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(data)-1, len(data)))
		w.WriteHeader(http.StatusPartialContent)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for _, b := range data[from:] {
			_, _ = w.Write([]byte{b})
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.mp4")
	require.NoError(t, err)
	defer source.Close()
	drips.Store(true)
	require.Equal(t, media.KindSourceStalled, media.KindOf(source.Seek(8*time.Second)))
}

// hangingGate is a name server that never answers.
type hangingGate struct{}

func (hangingGate) Open(ctx context.Context, _ media.SourceRequest) (media.Way, error) {
	<-ctx.Done()
	return media.Way{}, context.Cause(ctx)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	noLeak(t)
	body, err := os.ReadFile(clip(t, "plain.flv"))
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		gate media.Gate
		url  func(*testing.T) string
	}{
		{"a source that accepts and never answers", &passGate{}, func(t *testing.T) string { return "http://" + listen(t, silent) + "/a.mp4" }},
		{"a source that drips", &passGate{}, func(t *testing.T) string { return "http://" + listen(t, dripping(body, 20)) + "/a.flv" }},
		{"a name that never resolves", hangingGate{}, func(*testing.T) string { return "http://never.invalid/a.mp4" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			address := c.url(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			ended := make(chan time.Time, 1)
			time.AfterFunc(300*time.Millisecond, func() {
				ended <- time.Now()
				cancel(errTest)
			})
			_, err := NewOpener(Config{}).Demux(ctx, media.SourceRequest{URL: media.Secret(address)}, c.gate)
			require.ErrorIs(t, err, errTest)
			took := time.Since(<-ended)
			t.Logf("returned %v after the end of the context", took)
			require.Less(t, took, promptly+mediatest.Hops*noise())
		})
	}
}

func TestReadPacketEndsWithItsContext(t *testing.T) {
	noLeak(t)
	body, err := os.ReadFile(clip(t, "plain.flv"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s, err := NewOpener(Config{}).Demux(ctx,
		media.SourceRequest{URL: media.Secret("http://" + listen(t, dripping(body, len(body)/2)) + "/a.flv")}, &passGate{})
	require.NoError(t, err)
	defer s.Close()
	ended := make(chan time.Time, 1)
	noise := mediatest.WatchNoise(t)
	time.AfterFunc(time.Second, func() {
		ended <- time.Now()
		cancel(media.ErrStalled)
	})
	for err == nil {
		_, err = s.ReadPacket()
	}
	require.Less(t, time.Since(<-ended), promptly+mediatest.Hops*noise())
	require.ErrorIs(t, err, media.ErrStalled)
	require.Equal(t, media.KindSourceStalled, media.KindOf(err))
}

func TestCloseDoesNotWaitForTheSource(t *testing.T) {
	noLeak(t)
	body, err := os.ReadFile(clip(t, "plain.flv"))
	require.NoError(t, err)
	gate := &passGate{}
	s, err := openWith(t, gate, media.SourceRequest{URL: media.Secret("http://" + listen(t, dripping(body, len(body)/2)) + "/a.flv")})
	require.NoError(t, err)
	begin := time.Now()
	noise := mediatest.WatchNoise(t)
	s.Close()
	s.Close()
	require.Less(t, time.Since(begin), promptly+mediatest.Hops*noise())
	require.Equal(t, 1, gate.closed)
}
