package source_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/source"
)

// inside listens where no source may lead, and counts who comes.
func inside(t *testing.T) (address string, came *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	came = &atomic.Int32{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-ended })
	return l.Addr().String(), came
}

func TestNothingThatAPlaylistLeadsToIsInside(t *testing.T) {
	const head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n"
	for name, c := range map[string]struct {
		list string
		more map[string]string
	}{
		"a segment":   {list: head + "#EXTINF:2,\n@/a.ts\n"},
		"a key":       {list: head + "#EXT-X-KEY:METHOD=AES-128,URI=\"@/k\"\n#EXTINF:2,\n/a.ts\n"},
		"a map":       {list: head + "#EXT-X-MAP:URI=\"@/i.mp4\"\n#EXTINF:2,\n/a.ts\n"},
		"a map's key": {list: head + "#EXT-X-KEY:METHOD=AES-128,URI=\"@/k\"\n#EXT-X-MAP:URI=\"/i.mp4\"\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n/a.ts\n"},
		"a variant":   {list: "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n@/v.m3u8\n"},
		"a rendition": {list: "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"@/s.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n/v.m3u8\n",
			more: map[string]string{"/v.m3u8": head + "#EXTINF:2,\n/a.ts\n"}},
		"a variant's segment":   {list: "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/v.m3u8\n", more: map[string]string{"/v.m3u8": head + "#EXTINF:2,\n@/a.ts\n"}},
		"a segment's redirect":  {list: head + "#EXTINF:2,\n/to\n"},
		"a playlist's redirect": {list: "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n/to\n"},
	} {
		for _, end := range []string{"", "#EXT-X-ENDLIST\n"} {
			t.Run(name+" "+end, func(t *testing.T) {
				target, came := inside(t)
				for _, to := range []string{"http://" + target, "//" + target, "https://" + target, "http://10.1.2.3", "http://[::1]:80", "http://169.254.169.254", "file:///etc/passwd?"} {
					s := serve(t, func(w http.ResponseWriter, r *http.Request) {
						switch {
						case r.URL.Path == "/to":
							http.Redirect(w, r, to, http.StatusFound)
						case r.URL.Path == "/a.m3u8":
							_, _ = io.WriteString(w, strings.ReplaceAll(c.list, "@", to)+end)
						case c.more[r.URL.Path] != "":
							_, _ = io.WriteString(w, strings.ReplaceAll(c.more[r.URL.Path], "@", to)+end)
						default:
							_, _ = io.WriteString(w, "0123456789abcdef")
						}
					})
					network, err := egress.New(egress.Config{Allow: []string{s.Listener.Addr().String()}})
					require.NoError(t, err)
					_, err = (&source.Opener{Network: network, Demuxer: &rig{}}).Open(t.Context(), media.SourceRequest{URL: media.Secret(s.URL + "/a.m3u8")})
					require.Contains(t, []media.Kind{media.KindSourceBlocked, media.KindSourceInvalid}, media.KindOf(err), "%s: %v", to, err)
				}
				require.Zero(t, came.Load())
			})
		}
	}
}

func TestTheReasonOfARefusalElsewhereNamesTheHeadersThatWereNotSent(t *testing.T) {
	cdn := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[bool]int{true: http.StatusForbidden, false: http.StatusGone}[r.Header.Get("Referer") == ""])
	})
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "#EXTM3U\n#EXTINF:2,\n"+cdn.URL+"/a.ts\n#EXT-X-ENDLIST\n")
	})
	_, err := newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.m3u8"), Headers: map[string]media.Secret{"Referer": "http://canary", "authorization": "canary"}})
	require.Equal(t, media.KindSourceUnauthorized, media.KindOf(err))
	require.ErrorContains(t, err, "403 Forbidden; it is not the source's own host and was not sent: Referer, authorization (headersFor")
	require.NotContains(t, err.Error(), "canary")
	_, err = newRig(t).open(t, media.SourceRequest{URL: media.Secret(cdn.URL + "/a.ts")})
	require.NotContains(t, err.Error(), "not sent")
	_, err = newRig(t).open(t, media.SourceRequest{URL: media.Secret(s.URL + "/a.m3u8"), HeadersForAll: true, Headers: map[string]media.Secret{"Referer": "http://canary"}})
	require.Equal(t, media.KindSourceNotFound, media.KindOf(err), "it was let in: %v", err)
}
