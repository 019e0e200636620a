package egress

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// speak is a TCP server that reads one request and answers with text.
func speak(t testing.TB, text string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestSourcesThatDoNotSpeakHTTP(t *testing.T) {
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	for name, text := range map[string]string{
		"nothing":            "",
		"a banner":           "SSH-2.0-canary\r\n",
		"half a head":        "HTTP/1.1 200 OK\r\nX: canary\r\n",
		"an endless head":    "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: canary\r\n", answerBytes/8),
		"endless 1xx":        strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", answerBytes/8),
		"an unasked upgrade": "HTTP/1.1 101 Switching Protocols\r\n\r\ncanary",
		"two lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\ncanary",
	} {
		t.Run(name, func(t *testing.T) {
			w := openWay(t, g, "http://127.0.0.1/")
			resp, body := get(t, viaProxy(t, w), speak(t, text))
			require.Equal(t, http.StatusBadGateway, resp.StatusCode)
			require.Empty(t, body)
			requireKind(t, media.KindSourceUnavailable, w.Refusal())
			require.NotContains(t, w.Refusal().Error(), "canary")
		})
	}
	w := openWay(t, g, "http://127.0.0.1/")
	_, body := get(t, viaProxy(t, w), speak(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\nold but fine"))
	require.Equal(t, "old but fine", body)
}

func TestAnAnswerCutShortIsNotEndedAsComplete(t *testing.T) {
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), "http://127.0.0.1/")
	for _, head := range []string{"Content-Length: 100\r\n\r\nshort", "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"} {
		resp, err := viaProxy(t, w).Get(speak(t, "HTTP/1.1 200 OK\r\n"+head))
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	}
}

func TestRangesAndKeptConnections(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		http.ServeContent(rw, r, "a.mp4", time.Unix(1, 0), bytes.NewReader(file))
	})
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	w := openWay(t, g, origin.URL)
	c := viaProxy(t, w)
	_, body := get(t, c, origin.URL)
	require.True(t, string(file) == body, "a big body did not arrive as it was")
	for _, from := range []int{0, 1, 777, len(file) - 3} {
		req, _ := http.NewRequest(http.MethodGet, origin.URL, nil)
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
		resp, err := c.Do(req)
		require.NoError(t, err)
		part, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusPartialContent, resp.StatusCode)
		require.Equal(t, fmt.Sprintf("bytes %d-%d/%d", from, len(file)-1, len(file)), resp.Header.Get("Content-Range"))
		require.True(t, bytes.Equal(file[from:], part))
	}
	resp, err := c.Head(origin.URL)
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.Equal(t, int64(len(file)), resp.ContentLength)
}

func TestALiveBodyComesPieceByPiece(t *testing.T) {
	next := make(chan string)
	origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "video/x-flv")
		_ = http.NewResponseController(rw).Flush()
		for piece := range next {
			_, _ = io.WriteString(rw, piece)
			_ = http.NewResponseController(rw).Flush()
		}
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	resp, err := viaProxy(t, w).Get(origin.URL) // returns with the head
	require.NoError(t, err)
	defer resp.Body.Close()
	for _, piece := range []string{"a", "live", "source"} {
		next <- piece
		got := make([]byte, len(piece))
		_, err := io.ReadFull(resp.Body, got)
		require.NoError(t, err)
		require.Equal(t, piece, string(got))
	}
	close(next)
}

func TestABodyThatMayBeAPlaylistWaitsForNoMoreThanTellsThatItIsNone(t *testing.T) {
	next, left := make(chan string, 1), make(chan struct{})
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/octet-stream")
		_ = http.NewResponseController(rw).Flush()
		for {
			select {
			case piece := <-next:
				_, _ = io.WriteString(rw, piece)
				_ = http.NewResponseController(rw).Flush()
			case <-r.Context().Done():
				close(left)
				return
			}
		}
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, origin.URL, nil)
	next <- "#EXT-"
	resp, err := viaProxy(t, w).Do(req)
	require.NoError(t, err)
	for _, piece := range []string{"#EXT-", "a", "live source"} {
		if piece != "#EXT-" {
			next <- piece
		}
		got := make([]byte, len(piece))
		_, err := io.ReadFull(resp.Body, got)
		require.NoError(t, err)
		require.Equal(t, piece, string(got))
	}
	require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
	cancel()
	<-left
	_ = resp.Body.Close()
}

func TestAClientThatLeavesBeforeTheFirstByteEndsTheSourceConnection(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(rw).Flush()
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, origin.URL, nil)
	_, err := viaProxy(t, w).Do(req)
	require.ErrorIs(t, err, context.Canceled)
	<-left
}

func TestAClientThatLeavesEndsTheSourceConnection(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	handler := func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "video/x-flv")
		_ = http.NewResponseController(rw).Flush()
		close(arrived)
		<-r.Context().Done()
		close(left)
	}
	for _, start := range []func(http.Handler) *httptest.Server{httptest.NewServer, httptest.NewTLSServer} {
		arrived, left = make(chan struct{}), make(chan struct{})
		origin := start(http.HandlerFunc(handler))
		w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}, TLSRoots: roots(origin)}), origin.URL)
		ctx, cancel := context.WithCancel(t.Context())
		c := viaProxy(t, w)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, origin.URL, nil)
		resp, err := c.Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%v", w.Refusal())
		<-arrived
		cancel()
		<-left
		_ = resp.Body.Close()
		w.Close()
		origin.Close()
	}
}
