package matrix

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakeroom"
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
