package matrix

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// How long a hundred pushes run before they are looked at, and for how long.
const (
	settling = 8 * time.Second
	watched  = 10 * time.Second
)

// BenchmarkAHundredPushes copies a clip of 720p into a hundred rooms at once,
// from this process into this process. "p99-ms" and "max-ms" is how late
// packets reach the room, counted from each push's earliest; "sent-p99-ms" the
// worst push's own p99, an upper bound; "cpu-ms/s" what a second of a push
// costs, the room's and the file server's part included.
func BenchmarkAHundredPushes(b *testing.B) {
	const pushes = 100
	clip := mediatest.Clip(b, mediatest.Spec{Seconds: 40, Width: 1280, Height: 720, GOPSeconds: 2})
	source := mediatest.Serve(b, map[string]string{"a.mp4": clip}).URL + "/a.mp4"
	var late []time.Duration
	var worst, cpu time.Duration
	for b.Loop() {
		room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{appID: appKey}, Keep: watched})
		require.NoError(b, err)
		ctx, cancel := context.WithCancelCause(b.Context())
		pusher := newPusher(b, room.URL())
		var meters []*media.Meter
		var all sync.WaitGroup
		for i := range pushes {
			j := job(source, fmt.Sprintf("u%d", i), &diary{})
			meters = append(meters, j.Meter)
			all.Go(func() {
				if err := pusher.Play(ctx, j); !errors.Is(err, media.ErrStopped) {
					b.Errorf("a push ended: %v", err)
				}
			})
		}
		<-time.After(settling) // over which start-up is left out
		before := cpuTime(b)
		<-time.After(watched)
		cpu += cpuTime(b) - before
		for _, m := range meters {
			worst = max(worst, m.Snapshot(time.Now()).LatenessP99)
		}
		require.Len(b, room.Publishers(), pushes)
		for _, s := range room.Publishers() {
			late = append(late, lateness(room.Packets(s.ID))...)
		}
		cancel(media.ErrStopped)
		all.Wait()
		room.Close()
	}
	slices.Sort(late)
	b.ReportMetric(milliseconds(late[len(late)*99/100]), "p99-ms")
	b.ReportMetric(milliseconds(late[len(late)-1]), "max-ms")
	b.ReportMetric(milliseconds(worst), "sent-p99-ms")
	b.ReportMetric(milliseconds(cpu)/(watched.Seconds()*pushes*float64(b.N)), "cpu-ms/s")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// lateness is how far behind its DTS each packet came, more than the earliest.
func lateness(packets []fakeroom.Packet) []time.Duration {
	var late []time.Duration
	for _, p := range packets {
		if !p.Config {
			late = append(late, time.Duration(p.At.UnixNano())-p.DTS)
		}
	}
	if len(late) == 0 {
		return nil
	}
	earliest := slices.Min(late)
	for i := range late {
		late[i] -= earliest
	}
	return late
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPreviewsBesideFiftyPushes copies a clip of 720p into fifty rooms, by
// turns without previews and with as many as a worker makes at most: one after
// the other, of the pushes in turn, a quarter of the time. "p99-ms" and
// "p99-looked-at-ms" is how late packets reach the room then, "ratio" one over
// the other, "previews/s" how many were made.
func BenchmarkPreviewsBesideFiftyPushes(b *testing.B) {
	const pushes, turns, turn = 50, 4, 8 * time.Second
	clip := mediatest.Clip(b, mediatest.Spec{Seconds: 90, Width: 1280, Height: 720, GOPSeconds: 2})
	source := mediatest.Serve(b, map[string]string{"a.mp4": clip}).URL + "/a.mp4"
	room, err := fakeroom.Start(fakeroom.Config{Keys: map[uint32]string{appID: appKey}, Keep: 90 * time.Second})
	require.NoError(b, err)
	defer room.Close()
	ctx, cancel := context.WithCancelCause(b.Context())
	pusher := newPusher(b, room.URL())
	var keyframes []*media.LastKeyframe
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel(media.ErrStopped)
	for i := range pushes {
		j := job(source, fmt.Sprintf("u%d", i), &diary{})
		j.Keyframe = &media.LastKeyframe{}
		keyframes = append(keyframes, j.Keyframe)
		all.Go(func() {
			if err := pusher.Play(ctx, j); !errors.Is(err, media.ErrStopped) {
				b.Errorf("a push ended: %v", err)
			}
		})
	}
	<-time.After(settling)
	begin, made := time.Now(), 0
	for i := range turns {
		end := time.After(turn)
		if i%2 == 0 {
			<-end
			continue
		}
		made += makePreviews(b, keyframes, end)
	}
	var late [2][]time.Duration
	for _, s := range room.Publishers() {
		packets := slices.DeleteFunc(room.Packets(s.ID), func(p fakeroom.Packet) bool { return p.Config })
		for i, l := range lateness(packets) {
			if at := packets[i].At.Sub(begin); at >= 0 && at < turns*turn {
				looked := int(at/turn) % 2
				late[looked] = append(late[looked], l)
			}
		}
	}
	var p99 [2]float64
	for i := range late {
		slices.Sort(late[i])
		p99[i] = milliseconds(late[i][len(late[i])*99/100])
	}
	b.ReportMetric(p99[0], "p99-ms")
	b.ReportMetric(p99[1], "p99-looked-at-ms")
	b.ReportMetric(p99[1]/p99[0], "ratio")
	b.ReportMetric(float64(made)/(turn*turns/2).Seconds(), "previews/s")
}

// makePreviews makes previews as a worker does that has more to make than it may,
// until end.
func makePreviews(b *testing.B, keyframes []*media.LastKeyframe, end <-chan time.Time) (made int) {
	b.Helper()
	previews := libav.NewPreviews(slog.New(slog.DiscardHandler))
	for ; ; made++ {
		began := time.Now()
		_, err := previews.Picture(keyframes[made%len(keyframes)].Get())
		require.NoError(b, err)
		select {
		case <-time.After(3 * time.Since(began)):
		case <-end:
			return made
		}
	}
}
