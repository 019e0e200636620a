package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tencentyun/tls-sig-api-v2-golang/tencentyun"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/push"
	"github.com/roomcast/roomcast/media/rtmp"
	"github.com/roomcast/roomcast/media/source"
	"github.com/roomcast/roomcast/media/trtc"
)

const (
	app = 1400000001
	key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// watcher is an Observer that tells of the first publish.
type watcher struct{ published chan struct{} }

func (w watcher) Planned(media.SourceInfo, bool, media.Plan)   {}
func (w watcher) Publishing()                                  { close(w.published) }
func (w watcher) Reconnecting(error, time.Duration, time.Time) {}
func (w watcher) Warned(media.WarningCode, string)             {}

// hangingNames is a name server that never answers.
type hangingNames struct {
	asked chan struct{}   // closed when it is
	until <-chan struct{} // the end of the test
}

func (h hangingNames) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	close(h.asked)
	<-h.until
	return nil, net.ErrClosed
}

// TestMain makes this program a media host, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == hostCommand {
		main()
		return
	}
	os.Exit(m.Run())
}

// player is the worker's own, with a name server of the test's.
func player(t *testing.T, room *fakeroom.Server, names egress.Resolver) *push.Pusher {
	t.Helper()
	gate, err := egress.New(egress.Config{Allow: []string{"127.0.0.0/8"}, Resolver: names})
	require.NoError(t, err)
	door, err := trtc.New(trtc.Config{Endpoint: room.URL()})
	require.NoError(t, err)
	hosts, err := newPool(t.Context(), config.Config{Sandbox: string(host.SandboxAuto)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(hosts.Close)
	return &push.Pusher{
		Opener: &source.Opener{Network: gate, Demuxer: hosts, Log: slog.New(slog.DiscardHandler)},
		Dialer: &rtmp.Dialer{}, Door: door,
	}
}

// silent accepts connections and never answers; accepted is closed at the
// first.
func silent(t *testing.T) (url string, accepted chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted = make(chan struct{})
	go func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
			if held = append(held, c); len(held) == 1 {
				close(accepted)
			}
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String() + "/a.mp4", accepted
}

// dripping sends a clip's beginning, then a byte a second.
func dripping(t *testing.T, whole int) string {
	t.Helper()
	data, err := os.ReadFile(mediatest.Clip(t, mediatest.Spec{Seconds: 20, Container: "mpegts"}))
	require.NoError(t, err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		at := len(data) / 100 * whole
		_, _ = w.Write(data[:at])
		for tick := time.NewTicker(time.Second); at < len(data); at++ {
			_ = http.NewResponseController(w).Flush()
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(data[at : at+1])
		}
	}))
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return srv.URL + "/a.ts"
}

// The promise is 200 ms; the bound here leaves room for a busy
// machine, and the figure is in the log.
func TestAStopEndsAPushWithin200msWhateverHangs(t *testing.T) {
	const promise, busy = 200 * time.Millisecond, 400 * time.Millisecond
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{app: key}, ReadBuffer: 64 << 10})
	require.NoError(t, err)
	t.Cleanup(room.Close)
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 60})})
	silentURL, accepted := silent(t)
	asked := make(chan struct{})
	for name, c := range map[string]struct {
		src   string
		names egress.Resolver
		hangs <-chan struct{} // closed once it hangs; after the first publish when nil
		deaf  bool            // the room stops reading
		after time.Duration   // how long it hangs before the stop
	}{
		"a name that never resolves":                    {src: "http://hangs.example/a.mp4", names: hangingNames{asked, t.Context().Done()}, hangs: asked},
		"a source that accepts and never answers":       {src: silentURL, hangs: accepted},
		"a source that drips from the start":            {src: dripping(t, 0), after: 2 * time.Second, hangs: closed()},
		"a source that drips once the picture is there": {src: dripping(t, 20), after: 6 * time.Second},
		"a room that stops reading":                     {src: files.URL + "/a", deaf: true, after: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			user := fmt.Sprintf("u%d", time.Now().UnixNano())
			if c.deaf {
				room.Misbehave(fakeroom.Fault{Kind: fakeroom.StopReading, User: user, AfterPackets: 20})
				t.Cleanup(room.Heal)
			}
			sig, err := tencentyun.GenUserSig(app, key, user, 600)
			require.NoError(t, err)
			w := watcher{make(chan struct{})}
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error)
			p := player(t, room, c.names)
			go func() {
				ended <- p.Play(ctx, media.Job{
					Source:      media.SourceRequest{URL: media.Secret(c.src)},
					Destination: media.Destination{SDKAppID: app, RoomID: "r", UserID: user, UserSig: media.Secret(sig)},
					Meter:       media.NewMeter(0), Observer: w, Retry: func(media.Kind) media.Retry { return media.Retry{} },
					Asks: media.Asks{MayOpenRoom: func(ctx context.Context) (context.Context, context.CancelFunc, error) { return ctx, func() {}, nil }},
					Log:  slog.New(slog.DiscardHandler),
				})
			}()
			hangs := c.hangs
			if hangs == nil {
				hangs = w.published
			}
			select {
			case <-hangs:
			case err := <-ended:
				t.Fatalf("ended before it hung: %v", err)
			}
			<-time.After(c.after)
			begin, noise := time.Now(), mediatest.WatchNoise(t)
			cancel(media.ErrStopped)
			require.ErrorIs(t, <-ended, media.ErrStopped)
			took := time.Since(begin)
			t.Logf("ended after %v", took)
			require.Less(t, took, promise+busy+mediatest.Hops*noise())
		})
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
