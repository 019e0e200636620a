package source_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// trap is a port, of TCP and of UDP, that nobody may come to.
type trap struct {
	port string
	came atomic.Int32
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	tr := &trap{}
	l := listen(t)
	_, tr.port, _ = net.SplitHostPort(l.Addr().String())
	datagrams, err := net.ListenPacket("udp", l.Addr().String())
	require.NoError(t, err)
	listeners := []net.Listener{l}
	if v6, err := net.Listen("tcp", "[::1]:"+tr.port); err == nil { // some machines have none
		listeners = append(listeners, v6)
	}
	var running sync.WaitGroup
	for _, l := range listeners {
		running.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				tr.came.Add(1)
				_ = c.Close()
			}
		})
	}
	running.Go(func() {
		for {
			if _, _, err := datagrams.ReadFrom(make([]byte, 1)); err != nil {
				return
			}
			tr.came.Add(1)
		}
	})
	t.Cleanup(func() {
		for _, l := range listeners {
			_ = l.Close()
		}
		_ = datagrams.Close()
		running.Wait()
	})
	return tr
}

const listHead = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"

// leads are the playlists by which a source may lead somewhere: @ is replaced by
// scheme, host and port. What is not listed is 16 bytes.
var leads = map[string]map[string]string{
	"a segment":             {"/a": listHead + "#EXTINF:2,\n@/a.ts\n"},
	"a part of a segment":   {"/a": listHead + "#EXT-X-BYTERANGE:9@0\n#EXTINF:2,\n@/a.ts\n"},
	"a key":                 {"/a": listHead + "#EXT-X-KEY:METHOD=AES-128,URI=\"@/k\"\n#EXTINF:2,\n/a.ts\n"},
	"a map":                 {"/a": listHead + "#EXT-X-MAP:URI=\"@/i.mp4\"\n#EXTINF:2,\n/a.ts\n"},
	"a map's key":           {"/a": listHead + "#EXT-X-KEY:METHOD=AES-128,URI=\"@/k\"\n#EXT-X-MAP:URI=\"/i.mp4\"\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n/a.ts\n"},
	"a variant":             {"/a": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n@/v\n"},
	"a rendition":           {"/a": "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"@/s\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n/v\n", "/v": listHead + "#EXTINF:2,\n/a.ts\n"},
	"a variant's segment":   {"/a": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/v\n", "/v": listHead + "#EXTINF:2,\n@/a.ts\n"},
	"a segment's redirect":  {"/a": listHead + "#EXTINF:2,\n/to\n"},
	"a key's redirect":      {"/a": listHead + "#EXT-X-KEY:METHOD=AES-128,URI=\"/to\"\n#EXTINF:2,\n/a.ts\n"},
	"a map's redirect":      {"/a": listHead + "#EXT-X-MAP:URI=\"/to\"\n#EXTINF:2,\n/a.ts\n"},
	"a playlist's redirect": {"/a": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/to\n"},
	"a redirect":            {}, // "/a" itself is one
}

// leading serves one of leads, to what *to holds, as a recording unless *live.
func leading(t *testing.T, files map[string]string, to *atomic.Value, live *atomic.Bool) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		place, _ := to.Load().(string)
		text, known := files[r.URL.Path]
		switch {
		case r.URL.Path == "/to" || r.URL.Path == "/a" && !known:
			w.Header().Set("Location", place+"/to") // http.Redirect would write it anew
			w.WriteHeader(http.StatusFound)
		case known:
			if !live.Load() {
				text += "#EXT-X-ENDLIST\n"
			}
			_, _ = io.WriteString(w, strings.ReplaceAll(text, "@/", place+"/"))
		default:
			_, _ = io.WriteString(w, "0123456789abcdef")
		}
	})
}

// TestNothingLeadsInside is the guard's table: whatever a request names, or what it
// names leads to, no connection is made to an address inside.
func TestNothingLeadsInside(t *testing.T) {
	tr := newTrap(t)
	// What a name leads to nobody is told; the rest is blocked, or no address at all.
	refused := func(t *testing.T, host string, err error) {
		t.Helper()
		want := []media.Kind{media.KindSourceBlocked, media.KindSourceInvalid}
		if host == "in.example" {
			want = []media.Kind{media.KindSourceHost}
		}
		require.Contains(t, want, media.KindOf(err), "%s: %v", host, err)
		require.NotContains(t, err.Error(), "the port is not open", "it would be open to another port")
		require.NotContains(t, err.Error(), "canary")
	}
	gate := func(t *testing.T, allowed string) *egress.Gate {
		network, err := egress.New(egress.Config{
			Schemes: []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt"}, Allow: []string{allowed, "192.0.2.77:" + tr.port}, Resolver: local{},
		})
		require.NoError(t, err)
		return network
	}
	hosts := append(mediatest.InsideHosts(), "in.example")
	t.Run("direct", func(t *testing.T) {
		network := gate(t, "192.0.2.78:1")
		for _, scheme := range []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt"} {
			for _, host := range hosts {
				address := fmt.Sprintf("%s://u:canary@%s:%s/canary", scheme, host, tr.port)
				if scheme == "srt" {
					address = fmt.Sprintf("srt://%s:%s?streamid=canary", host, tr.port)
				}
				_, err := (&source.Opener{Network: network, Demuxer: &rig{}}).Open(t.Context(), media.SourceRequest{URL: media.Secret(address)})
				refused(t, host, err)
			}
		}
	})
	for name, files := range leads {
		t.Run(name, func(t *testing.T) {
			var to atomic.Value
			var live atomic.Bool
			s := leading(t, files, &to, &live)
			network := gate(t, s.Listener.Addr().String())
			for _, host := range hosts {
				for i, form := range []string{"http://%s:%s", "//u:canary@%s:%s", "https://%s:%s"} {
					live.Store(i > 0 && host != "in.example") // which waits for a live stream's name
					to.Store(fmt.Sprintf(form, host, tr.port))
					_, err := (&source.Opener{Network: network, Demuxer: &rig{}}).Open(t.Context(), media.SourceRequest{URL: media.Secret(s.URL + "/a?canary")})
					refused(t, host, err)
				}
			}
			for _, other := range []string{"file:///etc/passwd?", "rtmp://127.0.0.1:" + tr.port, "gopher://127.0.0.1:" + tr.port} {
				to.Store(other)
				_, err := (&source.Opener{Network: network, Demuxer: &rig{}}).Open(t.Context(), media.SourceRequest{URL: media.Secret(s.URL + "/a")})
				refused(t, other, err)
			}
		})
	}
	t.Run("an rtmp server's redirect", func(t *testing.T) {
		var to atomic.Value
		at := accept(t, listen(t), func(conn net.Conn) {
			if s := greet(conn); s != nil {
				rejected := status("_error", "error", "NetConnection.Connect.Rejected", "moved", 1)
				object := rejected.Arguments[1].(amf0.Object)
				rejected.Arguments[1] = append(object, amf0.ObjectEntry{Key: "ex", Value: amf0.Object{{Key: "code", Value: 302.0}, {Key: "redirect", Value: to.Load()}}})
				s.say(rejected)
				_, _ = io.Copy(io.Discard, conn)
			}
		})
		for _, host := range hosts {
			to.Store("rtmp://" + host + ":" + tr.port + "/live/x")
			_, err := openLive(t, source.LiveGate(gate(t, at)), "rtmp://u:canary@"+at+"/live/canary")
			require.Error(t, err)
			require.NotContains(t, err.Error(), "canary")
		}
	})
	for name, answer := range map[string]string{
		"an rtsp server's redirect":     "302 Found\r\nCSeq: CSEQ\r\nLocation: @/live\r\n\r\n",
		"an rtsp server's base":         "200 OK\r\nCSeq: CSEQ\r\nContent-Base: @/live/\r\n\r\na=control:0",
		"an rtsp session's control URL": "200 OK\r\nCSeq: CSEQ\r\n\r\na=control:@/live/0",
	} {
		t.Run(name, func(t *testing.T) {
			var to atomic.Value
			at := rtspAnswers(t, func(method string) string {
				switch method {
				case "OPTIONS":
					return "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\n\r\n"
				case "DESCRIBE":
					head, control, described := strings.Cut(strings.ReplaceAll(answer, "@", to.Load().(string)), "\r\n\r\n")
					if !described || control == "" {
						return "RTSP/1.0 " + head + "\r\n\r\n"
					}
					body := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n" + control + "\r\n"
					return fmt.Sprintf("RTSP/1.0 %s\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
				}
				return "RTSP/1.0 454 Session Not Found\r\nCSeq: CSEQ\r\n\r\n"
			})
			network := source.LiveGate(gate(t, at))
			for _, host := range hosts {
				to.Store("rtsp://" + host + ":" + tr.port)
				_, err := openLive(t, network, "rtsp://u:canary@"+at+"/canary")
				require.Error(t, err)
				require.NotContains(t, err.Error(), "canary")
			}
		})
	}
	t.Run("a callbackUrl", func(t *testing.T) { // cmd/worker's client dials so
		client := &http.Client{Transport: &http.Transport{DialContext: gate(t, "192.0.2.78:1").DialContext, DisableKeepAlives: true}}
		for _, host := range hosts {
			answer, err := client.Post("http://"+host+":"+tr.port+"/hook", "application/json", strings.NewReader("{}")) //nolint:noctx // it is refused at once
			if err == nil {
				_ = answer.Body.Close()
			}
			require.Error(t, err, host)
			if told, ok := errors.AsType[*media.Error](err); ok {
				refused(t, host, told)
			}
		}
	})
	require.Zero(t, tr.came.Load(), "connections inside")
}

// TestNothingThatIsTheSourcesOwnCrossesOrigins: of another host no secret of the
// request is told, whatever leads there.
func TestNothingThatIsTheSourcesOwnCrossesOrigins(t *testing.T) {
	for name, files := range leads {
		t.Run(name, func(t *testing.T) {
			other := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
			var to atomic.Value
			to.Store(strings.Replace(other.URL, "127.0.0.1", "other.example", 1))
			inner := leading(t, files, &to, new(atomic.Bool))
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "own", Value: "canary", Path: "/"})
				http.SetCookie(w, &http.Cookie{Name: "wide", Value: "canary", Path: "/", Domain: "example"}) // a suffix of both
				inner.Config.Handler.ServeHTTP(w, r)
			})
			address := strings.Replace(s.URL, "http://127.0.0.1", "http://user:canary@own.example", 1) + "/a?token=canary"
			_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(address), Headers: map[string]media.Secret{
				"X-Mine": "canary", "Cookie": "mine=canary", "Referer": "https://canary.example", "Authorization": "canary",
			}})
			require.Error(t, err)
			require.NotEmpty(t, other.requests(), "it was led there")
			for _, r := range other.requests() {
				var sent strings.Builder
				require.NoError(t, r.Header.Write(&sent))
				require.NotContains(t, sent.String()+r.URL.String(), "canary")
				require.NotContains(t, sent.String(), "Authorization")
				require.Empty(t, r.Header.Get("Cookie"))
			}
			for _, r := range s.requests() {
				require.Equal(t, "canary", r.Header.Get("X-Mine"), "to its own host all is sent")
			}
		})
	}
}
