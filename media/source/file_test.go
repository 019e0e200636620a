package source_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promise is how long a call may take that must end within 200 ms, on a busy
// machine.
const promise = 500 * time.Millisecond

// local resolves every name to loopback.
type local struct{}

func (local) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// rig opens sources as far as their bytes.
type rig struct {
	gate *source.Opener
	way  media.Way
}

// Demux keeps the way.
func (r *rig) Demux(ctx context.Context, request media.SourceRequest, gate media.Gate) (media.Source, error) {
	var err error
	r.way, err = gate.Open(ctx, request)
	return nil, err
}

func newRig(t *testing.T, trusted ...*httptest.Server) *rig {
	t.Helper()
	roots := x509.NewCertPool()
	for _, s := range trusted {
		roots.AddCert(s.Certificate())
	}
	network, err := egress.New(egress.Config{Allow: []string{"127.0.0.0/8"}, Resolver: local{}, TLSRoots: roots})
	require.NoError(t, err)
	r := &rig{}
	r.gate = &source.Opener{Network: network, Demuxer: r}
	return r
}

func (r *rig) open(t *testing.T, request media.SourceRequest) (media.Way, error) {
	t.Helper()
	return r.openWith(t, t.Context(), request)
}

func (r *rig) openWith(t *testing.T, ctx context.Context, request media.SourceRequest) (media.Way, error) {
	t.Helper()
	_, err := r.gate.Open(ctx, request)
	if err == nil {
		t.Cleanup(r.way.Close)
	}
	return r.way, err
}

// get opens a URL that opens.
func get(t *testing.T, address string) media.Way {
	t.Helper()
	way, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(address)})
	require.NoError(t, err)
	return way
}

// content is a file of random bytes.
func content(size int) []byte {
	random := rand.New(rand.NewPCG(1, 1))
	all := make([]byte, size)
	for i := range all {
		all[i] = byte(random.Uint32())
	}
	return all
}

// server serves and keeps what was asked for.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []*http.Request
}

func serve(t *testing.T, h http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(s.noting(h))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *server) noting(h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r)
		s.mu.Unlock()
		h(w, r)
	})
}

func (s *server) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.asked...)
}

func whole(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "a.mp4", time.Time{}, bytes.NewReader(data))
	}
}

func TestAFileIsReadWithOneRequest(t *testing.T) {
	data := content(3 << 20)
	s := serve(t, whole(data))
	way := get(t, s.URL+"/a.mp4")
	require.EqualValues(t, len(data), way.Bytes.Size())
	require.True(t, way.Bytes.Seekable())
	got, err := io.ReadAll(way.Bytes)
	require.NoError(t, err)
	require.Equal(t, data, got)
	require.Len(t, s.requests(), 1)
	require.NoError(t, way.Refusal())
}

func TestASeekWithinWhatIsThereCostsNoRequest(t *testing.T) {
	data := content(3 << 20)
	for _, size := range []int{20 << 10, 32 << 10, 128 << 10} {
		s := serve(t, whole(data))
		way := get(t, s.URL+"/a.mp4")
		buf := make([]byte, size)
		for _, at := range []int64{100 << 10, 300 << 10, 500 << 10} {
			requireAt(t, way.Bytes, data, at, buf)
			requireAt(t, way.Bytes, data, at+int64(size)-60<<10, buf)
		}
		require.Len(t, s.requests(), 1, "%d bytes at once", size)
	}
}

func requireAt(t *testing.T, b media.Bytes, data []byte, at int64, buf []byte) {
	t.Helper()
	_, err := b.Seek(at, io.SeekStart)
	require.NoError(t, err)
	n, err := io.ReadFull(b, buf)
	require.NoError(t, err, "at %d", at)
	require.Equal(t, data[at:at+int64(n)], buf, "at %d", at)
}

func TestTracksThatLieApartMakeNoRequestASwitch(t *testing.T) {
	data := content(16 << 20)
	s := serve(t, whole(data))
	way := get(t, s.URL+"/a.mp4")
	buf := make([]byte, 20<<10)
	for i := range int64(40) {
		requireAt(t, way.Bytes, data, i*20<<10, buf)
		requireAt(t, way.Bytes, data, 8<<20+i*20<<10, buf)
	}
	require.Len(t, s.requests(), 2)
}

func TestABrokenConnectionIsContinuedAtItsByte(t *testing.T) {
	data := content(2 << 20)
	var cuts atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if cuts.Add(1) <= 3 {
			w = &cutting{ResponseWriter: w, left: 300 << 10}
		}
		whole(data)(w, r)
	})
	way := get(t, s.URL+"/a.mp4")
	got, err := io.ReadAll(way.Bytes)
	require.NoError(t, err)
	require.Equal(t, data, got)
	asked := s.requests()
	require.Len(t, asked, 4)
	for _, r := range asked[1:] {
		require.Equal(t, `"one"`, r.Header.Get("If-Range"))
		require.NotEqual(t, "bytes=0-", r.Header.Get("Range"))
	}
}

// cutting ends the connection after so many bytes.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(b []byte) (int, error) {
	if len(b) > c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

func TestAFileThatWasChangedMeanwhileIsSaidToBe(t *testing.T) {
	data := content(1 << 20)
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if n := requests.Add(1); n == 1 {
			w.Header().Set("ETag", `"one"`)
			w = &cutting{ResponseWriter: w, left: 200 << 10}
		} else {
			w.Header().Set("ETag", `"two"`)
		}
		http.ServeContent(w, r, "a.mp4", time.Time{}, bytes.NewReader(data))
	})
	way := get(t, s.URL+"/a.mp4")
	_, err := io.ReadAll(way.Bytes)
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
	require.ErrorContains(t, err, "another file there")
	require.ErrorContains(t, way.Refusal(), "another file there")
}

// One address may be of several servers, whose copies were made at other times.
func TestACopyOfTheFileOnAnotherOfItsServersIsTheSameFile(t *testing.T) {
	data := content(4 << 20)
	for name, c := range map[string]struct {
		modified time.Duration // of the copies, from now
		fails    bool
	}{
		"made before":    {-time.Hour, false},
		"made meanwhile": {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n := requests.Add(1)
				w.Header().Set("ETag", fmt.Sprintf(`"%d"`, n))
				at := time.Now().Add(-24 * time.Hour)
				if n > 1 {
					at = time.Now().Add(c.modified + time.Duration(n)*time.Second)
				}
				http.ServeContent(w, r, "a.mp4", at, bytes.NewReader(data))
			})
			way := get(t, s.URL+"/a.mp4")
			buf := make([]byte, 32<<10)
			if c.fails {
				_, err := way.Bytes.Seek(3<<20, io.SeekStart)
				require.NoError(t, err)
				_, err = way.Bytes.Read(buf)
				require.ErrorContains(t, err, "another file there")
				return
			}
			for _, at := range []int64{3 << 20, 100 << 10, 2 << 20} {
				requireAt(t, way.Bytes, data, at, buf)
			}
			require.LessOrEqual(t, len(s.requests()), 4, "If-Range is tried once")
		})
	}
}

func TestAServerWithoutRangesIsReadForward(t *testing.T) {
	data := content(1 << 20)
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		_, _ = w.Write(data)
	})
	way := get(t, s.URL+"/a.mp4")
	require.False(t, way.Bytes.Seekable())
	require.EqualValues(t, len(data), way.Bytes.Size())
	got, err := io.ReadAll(way.Bytes)
	require.NoError(t, err)
	require.Equal(t, data, got)
}

func TestAServerWithoutRangesThatBreaksIsReadAgainUpToTheByte(t *testing.T) {
	data := content(1 << 20)
	var requests atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		if requests.Add(1) == 1 {
			w = &cutting{ResponseWriter: w, left: 600 << 10}
		}
		_, _ = w.Write(data)
	})
	got, err := io.ReadAll(get(t, s.URL+"/a.mp4").Bytes)
	require.NoError(t, err)
	require.Equal(t, data, got)
	require.EqualValues(t, 2, requests.Load())
}

func TestAnEndlessStreamHasNoSizeAndEndsWhenItsServerEndsIt(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 10 {
			_, _ = w.Write(make([]byte, 1000))
			_ = http.NewResponseController(w).Flush()
		}
	})
	way := get(t, s.URL+"/live.flv")
	require.EqualValues(t, -1, way.Bytes.Size())
	require.False(t, way.Bytes.Seekable())
	got, err := io.ReadAll(way.Bytes)
	require.NoError(t, err)
	require.Len(t, got, 10_000)
}

func TestAServerThatDoesNotUnderstandRangesIsAskedWithoutThem(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusNotAcceptable, http.StatusRequestedRangeNotSatisfiable, http.StatusNotImplemented} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(status)
				return
			}
			_, _ = io.WriteString(w, "hello")
		})
		got, err := io.ReadAll(get(t, s.URL+"/a.mp4").Bytes)
		require.NoError(t, err, status)
		require.Equal(t, "hello", string(got))
	}
}

func TestAServerOfOneConnectionAClientHasTheOldOneClosedFirst(t *testing.T) {
	data := content(8 << 20)
	var open atomic.Int32
	var refused atomic.Bool
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer open.Add(-1)
		others := open.Add(1) > 1
		if others && refused.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		for end := time.Now().Add(10 * time.Second); others && time.Now().Before(end); others = open.Load() > 1 {
			<-time.After(time.Millisecond) // a busy server is late to see what was closed
		}
		if others {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		refused.Store(false)
		whole(data)(w, r)
	})
	way := get(t, s.URL+"/a.mp4")
	buf := make([]byte, 10<<10)
	requireAt(t, way.Bytes, data, 0, buf)
	requireAt(t, way.Bytes, data, 7<<20, buf)
	requireAt(t, way.Bytes, data, 3<<20, buf)
}

func TestASHOUTcastServerIsRead(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "ICY 200 OK\r\nicy-name: x\r\nContent-Type: audio/mpeg\r\n\r\nsound")
			_ = conn.Close()
		}
	}()
	got, err := io.ReadAll(get(t, "http://"+listener.Addr().String()+"/stream").Bytes)
	require.NoError(t, err)
	require.Equal(t, "sound", string(got))
}

func TestCookiesOfARedirectAreSentAsBrowsersDo(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.mp4":
			http.SetCookie(w, &http.Cookie{Name: "sess", Value: "x", Path: "/"})
			http.SetCookie(w, &http.Cookie{Name: "elsewhere", Value: "y", Path: "/other/"})
			http.Redirect(w, r, "/files/b.mp4", http.StatusFound)
		default:
			if r.Header.Get("Cookie") != "sess=x" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			_, _ = io.WriteString(w, "hello")
		}
	})
	got, err := io.ReadAll(get(t, s.URL+"/a.mp4").Bytes)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}

func TestHeadersAndAddressesDoNotCrossOrigins(t *testing.T) {
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/b.mp4", http.StatusFound)
	})
	address := strings.Replace(s.URL, "http://", "http://user:password@", 1) + "/a.mp4?token=canary"
	way, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(address), Headers: map[string]media.Secret{
		"X-Mine": "canary", "Cookie": "canary=1", "Referer": "https://canary.example",
	}})
	require.NoError(t, err)
	_, err = io.ReadAll(way.Bytes)
	require.NoError(t, err)
	first := s.requests()[0]
	require.Equal(t, "canary", first.Header.Get("X-Mine"))
	user, _, _ := first.BasicAuth()
	require.Equal(t, "user", user)
	var sent strings.Builder
	require.NoError(t, other.requests()[0].Header.Write(&sent))
	require.NotContains(t, sent.String(), "canary")
	require.NotContains(t, sent.String(), "Authorization")
}

func TestHeadersForAllAreThoseOfAPageThatPlaysTheSource(t *testing.T) {
	status := http.StatusOK
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, "hello") })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/b.mp4", http.StatusFound)
	})
	request := media.SourceRequest{URL: media.Secret(s.URL + "/a.mp4"), HeadersForAll: true, Headers: map[string]media.Secret{
		"referer": "https://page.example/", "User-Agent": "mine", "Cookie": "canary=1", "Authorization": "Bearer canary",
	}}
	_, err := newRig(t).open(t, request)
	require.NoError(t, err)
	got := other.requests()[0].Header
	require.Equal(t, "https://page.example/", got.Get("Referer"))
	require.Equal(t, "mine", got.Get("User-Agent"))
	require.Empty(t, got.Get("Cookie")+got.Get("Authorization"))

	status, request.HeadersForAll = http.StatusForbidden, false
	_, err = newRig(t).open(t, request)
	require.ErrorContains(t, err, `was not sent: Authorization, Cookie, User-Agent, referer (headersFor "all" sends`)
	require.NotContains(t, err.Error(), "canary")
}

func TestRedirectsAreFollowedEightTimesAndNowhereElse(t *testing.T) {
	for name, c := range map[string]struct {
		to   string
		kind media.Kind
	}{
		"in a circle":   {"/again.mp4", media.KindSourceInvalid},
		"to a file":     {"file:///etc/passwd", media.KindSourceBlocked},
		"inside":        {"http://10.0.0.1/a.mp4", media.KindSourceBlocked},
		"to a metadata": {"http://169.254.169.254/latest", media.KindSourceBlocked},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, c.to, http.StatusFound) })
			_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.mp4?token=canary")})
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			require.NotContains(t, err.Error(), "canary")
			require.LessOrEqual(t, len(s.requests()), 9)
		})
	}
}

func TestAPlaylistIsNoFile(t *testing.T) {
	for name, head := range map[string]string{
		"plain": "#EXTM3U\n", "with a byte order mark": "\xef\xbb\xbf#EXTM3U\n", "behind a blank line": "\r\n #EXTM3U\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for _, c := range head { // a slow one
					_, _ = io.WriteString(w, string(c))
					_ = http.NewResponseController(w).Flush()
				}
			})
			_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/live")})
			require.ErrorContains(t, err, "its playlist has no segments")
			require.Len(t, s.requests(), 1, "it is not fetched twice")
		})
	}
}

func TestAnErrorIsToldInTheServersWords(t *testing.T) {
	const s3 = `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>secret-name</Key></Error>`
	for name, c := range map[string]struct {
		status          int
		kind, body, has string
		want            media.Kind
	}{
		"S3":                     {404, "application/xml", s3, "404 Not Found: NoSuchKey: The specified key does not exist.", media.KindSourceNotFound},
		"text":                   {403, "text/plain; charset=utf-8", "your plan\n\x00has ended", "403 Forbidden: your plan has ended", media.KindSourceUnauthorized},
		"a page":                 {403, "text/html", "<html>no</html>", "403 Forbidden", media.KindSourceUnauthorized},
		"a server that is ill":   {503, "text/plain", "", "503 Service Unavailable", media.KindSourceUnavailable},
		"the address in it":      {403, "text/plain", "no access to /a.mp4?token=canary-1", "403 Forbidden", media.KindSourceUnauthorized},
		"what is gone":           {410, "", "", "410 Gone", media.KindSourceGone},
		"an endless one":         {404, "text/plain", strings.Repeat("x", 1<<20), "404 Not Found: xxx", media.KindSourceNotFound},
		"an empty file's":        {416, "", "", "416", media.KindSourceInvalid},
		"a teapot's own English": {418, "text/plain", "short and stout", "418 I'm a teapot: short and stout", media.KindSourceNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.mp4?token=canary-1")})
			require.Equal(t, c.want, media.KindOf(err))
			assert.ErrorContains(t, err, c.has)
			assert.NotContains(t, err.Error(), "canary")
			assert.Less(t, len(err.Error()), 400)
		})
	}
}

func TestWhatIsCompressedAsAWholeIsRefusedInWords(t *testing.T) {
	for encoding, refused := range map[string]bool{"gzip": true, "br": true, "aws-chunked": false, "none": false, "binary": false, "UTF-8": false, "identity": false} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", encoding)
			_, _ = io.WriteString(w, "hello")
		})
		_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.mp4")})
		if refused {
			require.Equal(t, media.KindSourceUnsupported, media.KindOf(err), encoding)
			continue
		}
		require.NoError(t, err, encoding)
	}
}

func TestASourceThatFallsSilentIsToldToBe(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	r := newRig(t)
	r.gate.Silence = 4 * time.Second // for the opening, too
	way, err := r.open(t, media.SourceRequest{URL: media.Secret(s.URL + "/live.flv")})
	require.NoError(t, err)
	_, err = io.ReadAll(way.Bytes)
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
	require.ErrorContains(t, err, "sends nothing any more")
}

func TestAReadEndsWithItsContext(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within it": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 1000))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			s := serve(t, handler)
			ctx, cancel := context.WithCancelCause(t.Context())
			var ended time.Time
			time.AfterFunc(200*time.Millisecond, func() { ended = time.Now(); cancel(media.ErrStopped) })
			way, err := newRig(t).openWith(t, ctx, media.SourceRequest{URL: media.Secret(s.URL + "/a.mp4")})
			if err == nil {
				_, err = io.ReadAll(way.Bytes)
				require.NoError(t, way.Refusal(), "that nobody wants it is not the source's fault")
			}
			require.ErrorIs(t, err, media.ErrStopped)
			require.Less(t, time.Since(ended), promise+mediatest.Hops*noise())
		})
	}
}

func TestHTTP2IsSpokenAndIsContinuedToo(t *testing.T) {
	data := content(3 << 20)
	s := &server{}
	s.Server = httptest.NewUnstartedServer(s.noting(whole(data)))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	way, err := newRig(t, s.Server).open(t, media.SourceRequest{URL: media.Secret(strings.Replace(s.URL, "127.0.0.1", "example.com", 1) + "/a.mp4")})
	require.NoError(t, err)
	got, err := io.ReadAll(way.Bytes)
	require.NoError(t, err)
	require.Equal(t, data, got)
	require.Equal(t, 2, s.requests()[0].ProtoMajor)
}

func TestAServerWhoseCertificateDoesNotVerifyIsNotAsked(t *testing.T) {
	asked := false
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.mp4")})
	require.Equal(t, media.KindSourceTLS, media.KindOf(err), "%v", err)
	require.False(t, asked)
}

func TestNoMoreIsAskedForThanIsRead(t *testing.T) {
	data := content(32 << 20)
	var sent atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { whole(data)(&counting{w, &sent}, r) })
	way := get(t, s.URL+"/a.mp4")
	_, err := io.ReadFull(way.Bytes, make([]byte, 100<<10))
	require.NoError(t, err)
	time.Sleep(300 * time.Millisecond) // for the server to send what it can
	t.Logf("sent %d kB for 100 read", sent.Load()>>10)
	// The server's own buffers on loopback are in it: some 2.5 MB.
	require.Less(t, sent.Load(), int64(5<<20))
}

type counting struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (c *counting) Write(b []byte) (int, error) {
	n, err := c.ResponseWriter.Write(b)
	c.sent.Add(int64(n))
	return n, err
}

func TestAPartWhoseServerDoesNotSayWhichIsTheWhole(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, "hello")
	})
	way := get(t, s.URL+"/a.mp4")
	got, err := io.ReadAll(way.Bytes)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
}
