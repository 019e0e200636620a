package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

func TestABadRequestIsRefusedAndNothingIsEnqueued(t *testing.T) {
	beside(t)
	s := newStack(t, options{workers: -1})
	const src = "http://127.0.0.1:9/a.mp4"
	expired := userSig(t, "u", 1)
	<-time.After(2100 * time.Millisecond) // it counts whole seconds
	for name, c := range map[string]struct {
		more  fields
		field string
		code  string
	}{
		"a missing source":         {fields{"videoSrc": ""}, "videoSrc", "invalid_request"},
		"a bad room":               {fields{"roomId": "room 1"}, "roomId", "invalid_request"},
		"a bad user":               {fields{"userId": "u/1"}, "userId", "invalid_request"},
		"an expired signature":     {fields{"userSig": expired}, "userSig", "usersig_expired"},
		"a signature of another":   {fields{"userSig": userSig(t, "other", 100)}, "userSig", "invalid_usersig"},
		"a garbage signature":      {fields{"userSig": "eJw-garbage_*"}, "userSig", "invalid_usersig"},
		"no signature":             {fields{"userSig": ""}, "userSig", "invalid_request"},
		"an audience":              {fields{"clientRole": "audience"}, "clientRole", "invalid_request"},
		"a scheme":                 {fields{"videoSrc": "file:///etc/passwd"}, "videoSrc", ""},
		"an unknown field":         {fields{"videoSource": "x"}, "videoSource", "invalid_request"},
		"a Redis that is unlisted": {fields{"redis": true, "redisHost": "127.0.0.1"}, "redisHost", "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(http.MethodPost, "/v1/pushes", s.request(src, "r", "u", c.more))
			require.GreaterOrEqual(t, a.code, 400, a.raw)
			require.Less(t, a.code, 500, a.raw)
			require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
			if c.code != "" {
				require.Equal(t, c.code, a.body["code"], a.raw)
			}
			require.Contains(t, fmt.Sprint(a.body["errors"]), c.field)
		})
	}
	keys, err := s.redis.Client(t).Keys(t.Context(), "*push*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		require.NotContains(t, key, "asynq:{push}:pending")
		require.NotContains(t, key, "{roomcast}:push:")
	}
}

func TestWhoHasNoKeyGetsNowhere(t *testing.T) {
	beside(t)
	s := newStack(t, options{workers: -1})
	for _, path := range []string{"/v1/pushes", "/monitor", "/monitor/api/queues"} {
		for name, header := range map[string]string{"none": "", "another": "Bearer other", "no scheme": apiKey} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", header)
			resp, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "%s with key: %s", path, name)
		}
	}
}

// inside counts the connections to a server that no push may reach.
func inside(t testing.TB) (addr string, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), connections
}

func TestASourceInsideIsRefusedAndNoConnectionIsMade(t *testing.T) {
	beside(t)
	target, connections := inside(t)
	segment := mediatest.Clip(t, mediatest.Spec{Container: "mpegts"})
	mux := http.NewServeMux()
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+target+"/a.mp4", http.StatusFound)
	})
	playlist := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
			_, _ = fmt.Fprint(w, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n"+body+"#EXT-X-ENDLIST\n")
		}
	}
	mux.HandleFunc("/entry.m3u8", playlist("#EXTINF:5,\nhttp://"+target+"/a.ts\n"))
	mux.HandleFunc("/key.m3u8", playlist("#EXT-X-KEY:METHOD=AES-128,URI=\"http://"+target+"/k\"\n#EXTINF:5,\na.ts\n"))
	mux.HandleFunc("/a.ts", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, segment) })
	listed := httptest.NewServer(mux)
	defer listed.Close()
	s := newStack(t, options{allow: listed.Listener.Addr().String()})

	for name, src := range map[string]string{
		"loopback":     "http://" + target + "/a.mp4",
		"private":      "http://192.168.7.7/a.mp4",
		"metadata":     "http://169.254.169.254/latest/meta-data/",
		"decimal":      "http://2130706433/a.mp4",
		"IPv6":         "http://[::1]/a.mp4",
		"localhost":    "http://localhost:8080/a.mp4",
		"rtmp, inside": "rtmp://10.1.2.3/live/a",
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(http.MethodPost, "/v1/pushes", s.request(src, "r", "u", nil))
			require.GreaterOrEqual(t, a.code, 400, a.raw)
			require.Equal(t, "source_blocked", a.body["code"], a.raw)
		})
	}
	for name, path := range map[string]string{
		"by_redirect": "/redirect", "by_playlist_entry": "/entry.m3u8", "by_AES_key": "/key.m3u8",
	} {
		t.Run(name, func(t *testing.T) {
			push := s.waitStatus(s.push(listed.URL+path, "r", name, nil), "failed", "completed", "stopped")
			failure, _ := push["error"].(map[string]any)
			require.Equal(t, "source_blocked", failure["code"], push)
		})
	}
	require.Zero(t, connections.Load())
}
