package matrix

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/push"
)

// aPush is a kind of push that is soon over.
type aPush struct {
	name    string
	sample  string // empty: source is an address
	source  string
	options media.Options
	fails   string        // the media.Kind it fails with
	stopped time.Duration // it is stopped within so long after its start; 0: not at all
	user    string        // that the room treats in its own way
}

// denied is a user that the room refuses.
const denied = "denied"

// shortly is how long a push is.
func shortly() time.Duration {
	if full {
		return 600 * time.Millisecond
	}
	return 300 * time.Millisecond
}

// shortPushes are the kinds; broken is a server without a video.
func shortPushes(broken string) []aPush {
	to := func(o media.Options) media.Options {
		o.EndAt, o.FillAudio = o.StartAt+shortly(), true
		return o
	}
	always := media.Options{Transcode: media.TranscodeAlways, Video: media.VideoOptions{Width: 160, Height: 90, FPS: 15},
		Audio: media.AudioOptions{Volume: 50, VolumeSet: true}}
	twice := media.Options{Repeat: 2}
	return []aPush{
		{name: "copy", sample: "mp4, baseline", options: to(media.Options{})},
		{name: "copy from the middle", sample: "ts", options: to(media.Options{StartAt: 2 * time.Second})},
		{name: "transcode video", sample: "mp4, high with B-frames", options: to(media.Options{})},
		{name: "transcode audio", sample: "mkv, opus", options: to(media.Options{})},
		{name: "transcode both", sample: "webm, vp9 and opus", options: to(media.Options{StartAt: 1400 * time.Millisecond})},
		{name: "transcode always", sample: "mp4, baseline", options: to(always)},
		{name: "silence", sample: "mp4, video only", options: to(media.Options{})},
		{name: "black", sample: "m4a, audio only", options: to(media.Options{FillVideo: true})},
		{name: "upright", sample: "phone video, rotated by 90", options: to(media.Options{})},
		{name: "hdr", sample: "mp4, hevc with HDR", options: to(media.Options{})},
		{name: "plan changes", sample: "ts, resolution changes", options: media.Options{StartAt: 1500 * time.Millisecond, EndAt: 2500 * time.Millisecond}},
		{name: "hls", sample: "hls, ts", options: to(media.Options{})},
		{name: "hls with a key", sample: "hls, aes-128", options: to(media.Options{})},
		{name: "loop", sample: "mp4, baseline", options: to(twice)},
		{name: "loop, transcoded", sample: "mp4, high with B-frames", options: to(twice)},
		{name: "not found", source: broken + "/404", fails: "source_not_found"},
		{name: "not media", source: broken + "/text", fails: "source_invalid"},
		{name: "unavailable", source: broken + "/503", fails: "source_unavailable"},
		{name: "denied by the room", sample: "mp4, baseline", fails: "room_denied", user: denied},
		{name: "stopped", sample: "mp4, baseline", stopped: time.Second},
		{name: "stopped, transcoding", sample: "webm, vp9 and opus", stopped: time.Second},
		{name: "stopped in a playlist", sample: "hls, fmp4", stopped: time.Second},
		{name: "stopped in a loop", sample: "mp4, high with B-frames", stopped: 1500 * time.Millisecond,
			options: media.Options{StartAt: time.Second, EndAt: 1500 * time.Millisecond, Repeat: media.RepeatForever}},
	}
}

// serveErrors answers with a status, or with text that is no media.
func serveErrors(t *testing.T) string {
	return mediatest.ServeHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404":
			http.NotFound(w, r)
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			for range 100 {
				_, _ = fmt.Fprintln(w, "this is no media, and no playlist either")
			}
		}
	}))
}

// TestChaosPushesLeaveNothingBehind plays pushes of all kinds one after
// another; what is held after the first ones is held after the last.
func TestChaosPushesLeaveNothingBehind(t *testing.T) {
	kinds := shortPushes(serveErrors(t))
	pushes, limits := 20, growth{resident: 96 << 20, c: 4 << 20, heap: 4 << 20} // the race detector keeps books
	if full {
		pushes, limits = 200, growth{resident: 16 << 20, c: 1 << 20, heap: 2 << 20}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	l := newLeaks(t, kinds, rand.New(rand.NewPCG(seed, 0)))
	warm := max(pushes/4, 10)
	var first held
	for n := range pushes {
		if n == warm {
			first = settled(t, held{})
			t.Logf("after %3d pushes: %v", n, first)
		}
		l.push(t, n)
		if (n+1)%25 == 0 {
			t.Logf("after %3d pushes: %v", n+1, hold(t))
		}
	}
	last := settled(t, first)
	t.Logf("RESULT %d pushes one after another: after %d %v; after all %v", pushes, warm, first, last)
	requireFlat(t, first, last, limits)
}

// leaks plays short pushes.
type leaks struct {
	kinds   []aPush
	sources []string
	order   []int
	random  *rand.Rand
	room    standIn
	pusher  *push.Pusher
}

func newLeaks(t *testing.T, kinds []aPush, random *rand.Rand) *leaks {
	t.Helper()
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{appID: appKey}, Keep: -1, KeepEnded: 1})
	require.NoError(t, err)
	t.Cleanup(room.Close)
	room.Misbehave(fakeroom.Fault{Kind: fakeroom.Reject, User: denied, Code: "NetStream.Publish.Denied", Words: "package not bought"})
	l := &leaks{kinds: kinds, random: random, room: standIn{room}, pusher: newPusher(t, room.URL())}
	for _, k := range kinds {
		if k.sample != "" {
			k.source = sampleNamed(t, k.sample).Source(t, nil)
		}
		l.sources = append(l.sources, k.source)
	}
	return l
}

// push plays the next push: all kinds in turn, each time in another order.
func (l *leaks) push(t *testing.T, n int) {
	t.Helper()
	if len(l.order) == 0 {
		l.order = l.random.Perm(len(l.kinds))
	}
	i := l.order[0]
	l.order = l.order[1:]
	k := l.kinds[i]
	user := k.user
	if user == "" {
		user = fmt.Sprintf("u%d", n)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if k.stopped > 0 {
		timer := time.AfterFunc(time.Duration(l.random.Int64N(int64(k.stopped))), func() { cancel(media.ErrStopped) })
		defer timer.Stop()
	}
	d := &diary{}
	j := job(l.sources[i], user, d)
	j.Options = k.options
	err := l.pusher.Play(ctx, j)
	switch {
	case k.stopped > 0:
		require.True(t, errors.Is(err, media.ErrStopped), "%s: %v", k.name, err)
	case k.fails != "":
		require.Error(t, err, k.name)
		require.Equal(t, k.fails, media.KindOf(err).String(), "%s: %v", k.name, err)
	default:
		require.NoError(t, err, "%s\n%s", k.name, d)
	}
	l.room.Forget()
}
