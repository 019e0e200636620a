package matrix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/push"
)

// aPart is some of a soak's pushes.
type aPart struct {
	sample  string
	count   int // at full size; one at the small
	options media.Options
}

// soakParts are pushes without an end. Two CPUs can bear them all at once.
func soakParts() []aPart {
	loop := media.Options{Repeat: media.RepeatForever, FillAudio: true}
	small := loop
	small.Transcode, small.Video = media.TranscodeAlways, media.VideoOptions{Width: 160, Height: 90, FPS: 15}
	black, part := loop, loop
	black.FillVideo = true
	part.StartAt, part.EndAt = time.Second, 3*time.Second
	live := media.Options{FillAudio: true}
	return []aPart{
		{"mp4, baseline", 7, loop}, {"ts", 3, loop}, {"mkv", 2, loop}, {"flv", 1, loop}, {"mp4, video only", 2, loop},
		{"hls, ts", 2, loop}, {"hls, fmp4", 1, loop}, {"ts, clock wraps", 1, part}, {"m4a, audio only", 1, black},
		{"mkv, opus", 2, loop}, {"mp4, high with B-frames", 1, small}, {"webm, vp9 and opus", 1, small},
		{"live rtmp", 3, live}, {"live http-flv", 2, live}, {"live hls", 1, live},
	}
}

// inCI are the parts of the small soak.
var inCI = []string{"mp4, baseline", "ts", "hls, ts", "mp4, video only", "mkv, opus", "mp4, high with B-frames", "live rtmp", "live http-flv"}

// soak is many pushes at once.
type soak struct {
	room   standIn
	cancel context.CancelCauseFunc
	all    sync.WaitGroup

	mu      sync.Mutex
	samples map[string]string       // by user
	meters  map[string]*media.Meter // by user
	diaries map[string]*diary
	ended   []string // who, and why
}

// TestChaosManyMixedPushesGoOnForLong plays pushes of all kinds beside each
// other: nobody fails, each publishes once, all are on time, and memory stays.
func TestChaosManyMixedPushesGoOnForLong(t *testing.T) {
	length, every, limits := 20*time.Second, time.Second, // a third of the readings spans more than a clip, which is opened each four seconds
		growth{resident: 64 << 20, c: 8 << 20, heap: 8 << 20}
	if full {
		length, every, limits = 10*time.Minute, 15*time.Second, growth{resident: 12 << 20, c: 4 << 20, heap: 4 << 20}
	}
	s := startSoak(t)
	began := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var holdings []held
	var lateness []late
	for now := began; now.Sub(began) < length; now = <-tick.C {
		if settling := length / 5; now.Sub(began) >= settling {
			holdings, lateness = append(holdings, hold(t)), append(lateness, s.lateness()...)
			t.Logf("%4.0f s: %v", now.Sub(began).Seconds(), holdings[len(holdings)-1])
		}
	}
	sessions, users := s.room.Sessions(), len(s.meters)
	s.stop()
	slices.SortFunc(lateness, func(a, b late) int { return cmp.Compare(a.by, b.by) })
	middle, worst := lateness[len(lateness)/2], lateness[len(lateness)-1]
	third := len(holdings) / 3
	first, last := typical(holdings[:third]), typical(holdings[len(holdings)-third:])
	t.Logf("RESULT %d pushes for %v: p99 of lateness %v in the median window of 10 s, %v in the worst of %d (%s); at first %v; at last %v",
		users, length, middle.by, worst.by, len(lateness), worst.sample, first, last)
	require.Empty(t, s.ended, "ended or connected again")
	require.Len(t, sessions, users, "one session each")
	for _, session := range sessions {
		require.Empty(t, session.Report().Problems, session.User)
		require.Greater(t, session.Media(), length-15*time.Second, session.User)
	}
	requireFlat(t, first, last, limits)
	if full { // else the race detector is what is measured
		require.LessOrEqual(t, middle.by, 20*time.Millisecond)
	}
}

// startSoak starts all pushes, a little apart, and returns once each publishes.
func startSoak(t *testing.T) *soak {
	t.Helper()
	var parts []aPart
	for _, p := range soakParts() {
		if !full {
			p.count = 1
		}
		if full || slices.Contains(inCI, p.sample) {
			parts = append(parts, p)
		}
	}
	for _, p := range parts {
		sampleNamed(t, p.sample).Path(t)
	}
	nginx := mediatest.StartNginx(t, mediatest.NginxConfig{})
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{appID: appKey}, Keep: -1})
	require.NoError(t, err)
	t.Cleanup(room.Close)
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &soak{room: standIn{room}, cancel: cancel, samples: map[string]string{}, meters: map[string]*media.Meter{}, diaries: map[string]*diary{}}
	t.Cleanup(s.stop)
	pusher := newPusher(t, room.URL())
	for _, p := range parts {
		source := sampleNamed(t, p.sample).Source(t, nginx)
		for range p.count {
			s.add(ctx, pusher, p, source)
			_, err := room.WaitMedia(soon(t), fmt.Sprintf("u%d", len(s.meters)-1), 100*time.Millisecond)
			require.NoError(t, err, "%s: %v", p.sample, s.ended)
		}
	}
	return s
}

// add starts a push, whose end is noted.
func (s *soak) add(ctx context.Context, pusher *push.Pusher, p aPart, source string) {
	user, d := fmt.Sprintf("u%d", len(s.meters)), &diary{}
	j := job(source, user, d)
	j.Options = p.options
	s.samples[user], s.meters[user], s.diaries[user] = p.sample, j.Meter, d
	s.all.Go(func() {
		err := pusher.Play(ctx, j)
		s.mu.Lock()
		defer s.mu.Unlock()
		if !errors.Is(err, media.ErrStopped) {
			s.ended = append(s.ended, fmt.Sprintf("%s (%s): %v", user, p.sample, err))
		}
	})
}

func (s *soak) stop() {
	s.cancel(media.ErrStopped)
	s.all.Wait()
	for user, d := range s.diaries {
		if len(d.retries) > 0 {
			s.ended = append(s.ended, user+": "+strings.Join(d.retries, "; "))
		}
	}
	s.diaries = nil
}

// late is a push's p99 of lateness over ten seconds.
type late struct {
	sample string
	by     time.Duration
}

func (s *soak) lateness() []late {
	var all []late
	now := time.Now()
	for user, m := range s.meters {
		all = append(all, late{s.samples[user], m.Snapshot(now).LatenessP99})
	}
	return all
}

// typical is the median of each figure.
func typical(all []held) held {
	figures := func(of func(held) int) (sorted []int) {
		for _, h := range all {
			sorted = append(sorted, of(h))
		}
		slices.Sort(sorted)
		return sorted
	}
	median := func(of func(held) int) int { return figures(of)[len(all)/2] }
	// Each play of a loop is opened while the one before still plays: what is open goes up
	// and down with them, and how many do so at once is by chance.
	most := func(of func(held) int) int { return slices.Max(figures(of)) }
	return held{
		resident: median(func(h held) int { return h.resident }), c: median(func(h held) int { return h.c }),
		kept: median(func(h held) int { return h.kept }), system: median(func(h held) int { return h.system }),
		heap: median(func(h held) int { return h.heap }), files: most(func(h held) int { return h.files }),
		goroutines: most(func(h held) int { return h.goroutines }),
	}
}
