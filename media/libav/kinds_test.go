package libav

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// answer serves one body with one status at every path.
func answer(t *testing.T, status int, body []byte) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// encryptedWebM is a WebM whose picture needs a licence, as far as its header
// tells: the track's name gives way to a ContentEncodings of its length
// (RFC 9559, 5.1.4.1.31).
func encryptedWebM(t *testing.T) []byte {
	t.Helper()
	name := strings.Repeat("n", 33)
	path := filepath.Join(t.TempDir(), "a.webm")
	ffmpeg(t, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-c:v", "libvpx", "-metadata:s:v", "title="+name, path)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	encodings := append([]byte{
		0x6d, 0x80, 0x80 | 33, // ContentEncodings
		0x62, 0x40, 0x80 | 30, // ContentEncoding
		0x50, 0x33, 0x81, 1, // its type: encryption
		0x50, 0x35, 0x80 | 23, // ContentEncryption
		0x47, 0xe1, 0x81, 5, // AES
		0x47, 0xe2, 0x80 | 16, // the key's id
	}, make([]byte, 16)...)
	plain := append([]byte{0x53, 0x6e, 0x80 | 33}, name...)
	require.Equal(t, 1, bytes.Count(data, plain))
	return bytes.Replace(data, plain, encodings, 1)
}

func TestAWebMThatNeedsALicenceIsSaidToBeEncrypted(t *testing.T) {
	_, err := open(t, answer(t, 200, encryptedWebM(t))+"/a.webm")
	require.Equal(t, media.KindSourceEncrypted, media.KindOf(err), "%v", err)
}

func TestHTTPStatusBecomesAKind(t *testing.T) {
	for status, kind := range map[int]media.Kind{
		400: media.KindSourceNotFound, 401: media.KindSourceUnauthorized, 403: media.KindSourceUnauthorized,
		404: media.KindSourceNotFound, 410: media.KindSourceGone, 429: media.KindSourceUnavailable,
		500: media.KindSourceUnavailable, 503: media.KindSourceUnavailable,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			_, err := open(t, answer(t, status, nil)+"/a.mp4")
			require.Equal(t, kind, media.KindOf(err), "%v", err)
		})
	}
}

func TestNobodyThereIsUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	for _, scheme := range []string{"http"} {
		_, err = open(t, scheme+"://"+l.Addr().String()+"/live/a")
		require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%s: %v", scheme, err)
	}
}

func TestGarbageIsInvalid(t *testing.T) {
	random := make([]byte, 300_000)
	_, _ = rand.Read(random)
	mp4, err := os.ReadFile(clip(t, "plain.mp4"))
	require.NoError(t, err)
	for name, body := range map[string][]byte{
		"random":                 random,
		"empty":                  {},
		"one byte":               {0},
		"html":                   []byte("<!DOCTYPE html><html><body>Not found</body></html>"),
		"json":                   []byte(`{"error":"gone"}`),
		"a concat script":        []byte("ffconcat version 1.0\nfile 'http://127.0.0.1/a.mp4'\n"),
		"subtitles":              []byte("1\n00:00:00,000 --> 00:00:01,000\nhello\n\n"),
		"an mp4 without its end": mp4[:len(mp4)/2],
		"an empty playlist":      []byte("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/a.mp4", "/a.m3u8", "/a"} {
				_, err := open(t, answer(t, 200, body)+path)
				require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "%s: %v", path, err)
			}
		})
	}
}

func TestATruncatedFilePlaysToItsEnd(t *testing.T) {
	mp4, err := os.ReadFile(clip(t, "faststart.mp4"))
	require.NoError(t, err)
	s, err := open(t, answer(t, 200, mp4[:len(mp4)*2/3])+"/a.mp4")
	require.NoError(t, err)
	n := 0
	for ; err == nil; n++ {
		_, err = s.ReadPacket()
	}
	require.ErrorIs(t, err, io.EOF)
	require.Greater(t, n, clipFrames/2)
}

// A broken connection is not the end of the source.
func TestACutConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, c := range []string{"plain.ts", "plain.flv", "plain.mkv", "faststart.mp4"} {
		t.Run(c, func(t *testing.T) {
			t.Parallel() // each is tried for a while
			body, err := os.ReadFile(clip(t, c))
			require.NoError(t, err)
			var requests atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if requests.Add(1) > 1 {
					w.WriteHeader(http.StatusBadGateway)
					return
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				_, _ = w.Write(body[:len(body)*2/3])
				panic(http.ErrAbortHandler)
			}))
			s.Config.ErrorLog = nil
			t.Cleanup(s.Close)
			source, err := open(t, s.URL+"/"+c)
			for err == nil {
				_, err = source.ReadPacket()
			}
			require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
		})
	}
}

func TestWhatTheGateRefusedWins(t *testing.T) {
	reason := &media.Error{Kind: media.KindSourceBlocked, Op: "dial"}
	_, err := openWith(t, &passGate{refusal: reason}, media.SourceRequest{URL: media.Secret(answer(t, 403, nil))})
	require.ErrorIs(t, err, reason)
	_, err = openWith(t, &passGate{refusal: errors.New("plain")}, media.SourceRequest{URL: media.Secret(answer(t, 403, nil))})
	require.Equal(t, media.KindSourceBlocked, media.KindOf(err))
}

func TestAPlaylistLeadsNowhereElse(t *testing.T) {
	ts, err := os.ReadFile(clip(t, "plain.ts"))
	require.NoError(t, err)
	var touched atomic.Int32
	trap := listen(t, func(c net.Conn, _ <-chan struct{}) { touched.Add(1) })
	for _, entry := range []string{
		"file:///etc/passwd", "/etc/passwd#.ts", "concat:http://" + trap + "/a.ts", "data:video/mp2t;base64,AAAA",
		"tcp://" + trap, "tls://" + trap + "/a.ts", "httpproxy://" + trap + "/127.0.0.1:6379", "rtmp://" + trap + "/a/b",
		"crypto+httpproxy://" + trap + "/a.ts", "crypto:file:///etc/passwd", "crypto+tcp://" + trap, "gopher://" + trap,
		"subfile,,start,0,end,9,,:/etc/passwd", "udp://" + trap, "rtp://" + trap, "srt://" + trap, "httpproxy:" + trap, "https://" + trap + "/a.ts",
	} {
		for name, playlist := range map[string]string{
			"segment": "#EXTINF:2,\n" + entry + "\n",
			"key":     "#EXT-X-KEY:METHOD=AES-128,URI=\"" + entry + "\"\n#EXTINF:2,\n/a.ts\n",
			"map":     "#EXT-X-MAP:URI=\"" + entry + "\"\n#EXTINF:2,\n/a.ts\n",
			"variant": "#EXT-X-STREAM-INF:BANDWIDTH=100000\n" + entry + "\n",
		} {
			t.Run(name+" "+entry, func(t *testing.T) {
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !strings.HasSuffix(r.URL.Path, ".m3u8") {
						_, _ = w.Write(ts)
						return
					}
					w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
					_, _ = io.WriteString(w, "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"+playlist+"#EXT-X-ENDLIST\n")
				}))
				defer s.Close()
				_, _ = open(t, s.URL+"/a.m3u8")
				require.Zero(t, touched.Swap(0))
			})
		}
	}
}
