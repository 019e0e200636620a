package matrix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/push"
	"github.com/roomcast/roomcast/media/rtmp"
	"github.com/roomcast/roomcast/media/source"
	"github.com/roomcast/roomcast/media/trtc"
)

const (
	appID  = 1400000001
	appKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// newPusher puts together what a worker does.
func newPusher(t testing.TB, endpoint string) *push.Pusher {
	t.Helper()
	door, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{appID: appKey}, Endpoint: endpoint})
	require.NoError(t, err)
	out, err := egress.New(egress.Config{Schemes: []string{"http", "rtmp", "rtsp", "srt"}, Allow: []string{"127.0.0.0/8"}})
	require.NoError(t, err)
	pool, err := hosts()
	require.NoError(t, err)
	return &push.Pusher{
		Opener: &source.Opener{Network: out, Demuxer: pool, Log: slog.New(slog.DiscardHandler)},
		Dialer: &rtmp.Dialer{},
		Door:   door,

		Transcoders: pool.Transcoders(),
	}
}

// diary is what an Observer was told.
type diary struct {
	published func() // nil for nothing
	meter     *media.Meter

	mu       sync.Mutex
	info     media.SourceInfo
	plans    []media.Plan
	warnings []string
	retries  []string
}

func (d *diary) note(act func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	act()
}

func (d *diary) Planned(info media.SourceInfo, _ bool, p media.Plan) {
	d.note(func() { d.info, d.plans = info, append(d.plans, p) })
}
func (d *diary) Publishing() {
	if d.published != nil {
		d.published()
	}
}
func (d *diary) Reconnecting(err error, _ time.Duration, _ time.Time) {
	d.note(func() { d.retries = append(d.retries, err.Error()) })
}
func (d *diary) Warned(code media.WarningCode, message string) {
	d.note(func() { d.warnings = append(d.warnings, string(code)+": "+message) })
}

// String is everything for a log.
func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "container %s, %v long\n", d.info.Container, d.info.Duration)
	for _, t := range d.info.Tracks {
		fmt.Fprintf(&b, "track %s %s %s %dx%d %.4g fps %s, %d Hz, %d channels\n",
			t.Type, t.Codec, t.Profile, t.Width, t.Height, t.FPS, t.PixelFormat, t.SampleRate, t.Channels)
	}
	for _, p := range d.plans {
		fmt.Fprintf(&b, "plan: %s\n", p)
	}
	for _, w := range d.warnings {
		fmt.Fprintf(&b, "warned: %s\n", w)
	}
	for _, r := range d.retries {
		fmt.Fprintf(&b, "reconnecting: %s\n", r)
	}
	return b.String()
}

// plan returns the first and the last plan.
func (d *diary) plan() (first, last media.Plan, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.plans) == 0 {
		return media.Plan{}, media.Plan{}, false
	}
	return d.plans[0], d.plans[len(d.plans)-1], true
}

// warning is the code of the warning there was, of all when there were more. In a
// short run other packages take the CPU, so that it is no fault to be too slow.
func (d *diary) warning() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var codes []string
	for _, w := range d.warnings {
		code, _, _ := strings.Cut(w, ":")
		if full || code != string(media.WarnTooSlow) {
			codes = append(codes, code)
		}
	}
	return strings.Join(codes, " ")
}

// mostPlays is how often a live source is played in a short run at most.
const mostPlays = 3

// again plays a source and returns what was wrong. In a short run other packages take the
// CPU: a live one that was late by that, so that something was dropped, is played again.
// play is told how often it was called.
func again(t *testing.T, live bool, play func(n int) (wrong []string, p media.Progress)) []string {
	t.Helper()
	for n := 1; ; n++ {
		wrong, p := play(n)
		if len(wrong) == 0 || full || !live || p.DroppedPackets == 0 || n == mostPlays {
			return wrong
		}
		t.Logf("it was late, and is played again: %s", strings.Join(wrong, "; "))
	}
}

// inTime is what comes of playing a sample as a user, again where a live one was late.
func inTime(t *testing.T, s mediatest.Sample, user string, play func(user string, d *diary) verdict) (v verdict) {
	t.Helper()
	again(t, s.Serve.Live(), func(n int) ([]string, media.Progress) {
		d := &diary{}
		v = play(fmt.Sprintf("%sx%d", user, n), d)
		return v.found, d.meter.Snapshot(time.Now())
	})
	return v
}

// job is a sample's push; nothing is tried again, so that every trouble shows.
func job(source, user string, d *diary) media.Job {
	d.meter = media.NewMeter(0)
	return media.Job{
		Source:      media.SourceRequest{URL: media.Secret(source)},
		Destination: media.Destination{SDKAppID: appID, RoomID: user, UserID: user},
		Options:     media.Options{FillAudio: true},
		Meter:       d.meter,
		Observer:    d,
		Retry:       func(media.Kind) media.Retry { return media.Retry{} },
		Asks: media.Asks{MayOpenRoom: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			leased, cancel := context.WithCancel(ctx)
			return leased, cancel, nil
		}},
		Log: slog.New(slog.DiscardHandler),
	}
}

// liveShare is how long a live source is played, and how much of it the room gets on a machine that is busy, too.
const liveShare = 5 * time.Second

// waitShare waits until the room has had its share of a live source, for half a minute at most.
func waitShare(ctx context.Context, m *media.Meter) {
	begun := time.Now()
	for ctx.Err() == nil && time.Since(begun) < 30*time.Second {
		<-time.After(50 * time.Millisecond)
		made := m.Snapshot(time.Now()).Coverage
		if time.Since(begun) >= liveShare && max(made[media.Video].Total(), made[media.Audio].Total()) >= liveShare {
			return
		}
	}
}

// play pushes a sample to its end, a live one until the room has had its share.
func play(ctx context.Context, p *push.Pusher, j media.Job, d *diary, live bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if live {
		d.published = sync.OnceFunc(func() {
			go func() {
				waitShare(ctx, j.Meter)
				cancel(media.ErrStopped)
			}()
		})
	}
	err := p.Play(ctx, j)
	if live && errors.Is(err, media.ErrStopped) {
		return nil
	}
	return err
}
