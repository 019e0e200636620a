package libav

import (
	"bufio"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// hls makes a playlist of 2 s segments, encrypted with AES-128, in a folder of
// its own, and returns the folder.
func hls(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "k.bin")
	require.NoError(t, os.WriteFile(key, []byte("0123456789abcdef"), 0o600))
	info := filepath.Join(dir, "key.info")
	require.NoError(t, os.WriteFile(info, []byte("k.bin?sign=1\n"+key+"\n"), 0o600))
	ffmpeg(t, "-v", "error", "-nostdin", "-i", clip(t, "plain.mp4"), "-c", "copy", "-f", "hls", "-hls_time", "2",
		"-hls_list_size", "0", "-hls_key_info_file", info, filepath.Join(dir, "a.m3u8"))
	return dir
}

func TestAnEncryptedPlaylistWithAnEnd(t *testing.T) {
	s := httptest.NewServer(http.FileServer(http.Dir(hls(t))))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	info := source.Info()
	require.Equal(t, "hls", info.Container)
	require.False(t, info.Live)
	require.InDelta(t, clipSeconds, info.Duration.Seconds(), 0.2)
	require.Len(t, info.Tracks, 2)
	requirePackets(t, info, readAll(t, source))
	require.NoError(t, source.Seek(5*time.Second))
	p := firstVideo(t, source)
	require.True(t, p.Keyframe)
	require.InDelta(t, 4, (p.PTS - info.StartTime).Seconds(), 0.1)
}

func TestAPlaylistWithoutAnEndIsLive(t *testing.T) {
	files := http.FileServer(http.Dir(hls(t)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		files.ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		_, _ = io.WriteString(w, strings.ReplaceAll(rec.Body.String(), "#EXT-X-ENDLIST\n", ""))
	}))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.m3u8")
	require.NoError(t, err)
	require.True(t, source.Info().Live)
	require.Error(t, source.Seek(0))
}

func TestAStreamOfUnknownLengthIsLive(t *testing.T) {
	clip(t, "plain.ts")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f, err := os.Open(filepath.Join(clips.dir, "plain.ts"))
		if err == nil {
			defer f.Close()
			_, _ = io.Copy(struct{ io.Writer }{w}, f) // chunked
		}
	}))
	t.Cleanup(s.Close)
	source, err := open(t, s.URL+"/a.ts")
	require.NoError(t, err)
	require.True(t, source.Info().Live)
}

// connectProxy is a forward proxy that leads every CONNECT to one address.
func connectProxy(t *testing.T, to string, connects *atomic.Int32) string {
	t.Helper()
	return listen(t, func(c net.Conn, quit <-chan struct{}) {
		from := bufio.NewReader(c)
		r, err := http.ReadRequest(from)
		if err != nil || r.Method != http.MethodConnect {
			return
		}
		if r.Header.Get("Proxy-Authorization") == "" {
			_, _ = io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"w\"\r\n\r\n")
			return
		}
		connects.Add(1)
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer server.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		done := make(chan struct{}, 2)
		go func() { _, _ = io.Copy(server, from); done <- struct{}{} }()
		go func() { _, _ = io.Copy(c, server); done <- struct{}{} }()
		select {
		case <-done:
		case <-quit:
		}
	})
}

func TestHTTPSGoesThroughTheProxyAndIsVerified(t *testing.T) {
	clip(t, "plain.mp4")
	s := httptest.NewTLSServer(http.FileServer(http.Dir(clips.dir)))
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	var connects atomic.Int32
	gate := &passGate{options: map[string]media.Secret{
		"http_proxy": media.Secret("http://w:pw@" + connectProxy(t, s.Listener.Addr().String(), &connects)),
	}}
	// httptest's certificate is for example.com: a name nobody looks up here.
	request := media.SourceRequest{URL: "https://example.com/plain.mp4"}
	_, err := openWith(t, gate, request)
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "nobody vouches for the certificate: %v", err)

	bundle := filepath.Join(t.TempDir(), "ca.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	require.NoError(t, os.WriteFile(bundle, raw, 0o600))
	t.Setenv("SSL_CERT_FILE", bundle)
	source, err := openWith(t, gate, request)
	require.NoError(t, err)
	require.Len(t, source.Info().Tracks, 2)
	require.NotZero(t, connects.Load())

	_, err = openWith(t, gate, media.SourceRequest{URL: "https://other.example/plain.mp4"})
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "the certificate is for another name: %v", err)
}
