package push

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// What a push of the benchmark plays: 720p30 with AAC, 2.1 Mb/s.
const (
	benchPushes  = 100
	benchLength  = 5 * time.Second
	benchPicture = time.Second / 30
	benchSound   = 1024 * time.Second / 44100
)

// benchSource gives pictures and sound of the usual sizes.
type benchSource struct {
	fakesource.Source
	picture, sound int
}

func (s *benchSource) ReadPacket() (media.Packet, error) {
	p := media.Packet{Data: make([]byte, 8<<10), Duration: benchPicture, Keyframe: s.picture%60 == 0}
	p.DTS = time.Duration(s.picture) * benchPicture
	p.Data[2], p.Data[3], p.Data[4], p.Data[5] = 0x1f, 0xfc, 0x41, 0x9a // one slice, of a P picture
	if at := time.Duration(s.sound) * benchSound; at < p.DTS {
		p = media.Packet{Track: 1, DTS: at, Duration: benchSound, Data: append([]byte{0x21}, make([]byte, 370)...)}
		s.sound++
	} else {
		s.picture++
	}
	p.PTS = p.DTS
	if p.DTS >= benchLength {
		return p, io.EOF
	}
	return p, nil
}

// benchRoom is a room that takes all and keeps nothing.
type benchRoom struct {
	fakeRoom
	writes, packets atomic.Int64
}

func (r *benchRoom) Dial(context.Context, media.PublishAddress, []media.Track) (media.Sink, error) {
	return &benchSink{r, make(chan struct{}), sync.Once{}}, nil
}

type benchSink struct {
	room   *benchRoom
	done   chan struct{}
	closed sync.Once
}

func (s *benchSink) Write(_ context.Context, packets []media.Packet) (bytes int64, err error) {
	s.room.writes.Add(1)
	s.room.packets.Add(int64(len(packets)))
	return 9000, nil
}
func (s *benchSink) Unconfirmed() time.Duration { return 0 }
func (s *benchSink) Done() <-chan struct{}      { return s.done }
func (s *benchSink) Close(context.Context) error {
	s.closed.Do(func() { close(s.done) })
	return nil
}

// BenchmarkACopiedPush is what a hundred pushes that are copied cost this side of the
// source's and the room's connections: CPU for each second of each.
func BenchmarkACopiedPush(b *testing.B) {
	room := &benchRoom{}
	open := fakesource.OpenerFunc(func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
		return &benchSource{Source: fakesource.Source{Ctx: ctx, Of: fakesource.Clip(benchLength)}}, nil
	})
	pusher := &Pusher{Opener: open, Dialer: room, Door: room}
	used := cpu(b)
	for b.Loop() {
		var pushes sync.WaitGroup
		for range benchPushes {
			s := newStage(nil)
			s.job.Log = slog.New(slog.DiscardHandler)
			pushes.Go(func() { assertNoError(b, pusher.Play(b.Context(), s.job)) })
		}
		pushes.Wait()
	}
	seconds := float64(b.N) * benchPushes * benchLength.Seconds()
	b.ReportMetric(float64((cpu(b)-used).Microseconds())/seconds, "cpu-µs/s")
	b.ReportMetric(float64(room.writes.Load())/seconds, "writes/s")
	b.ReportMetric(float64(room.packets.Load())/seconds, "packets/s")
	b.ReportMetric(0, "ns/op") // it plays in real time
}

func assertNoError(b *testing.B, err error) {
	if err != nil {
		b.Error(err)
	}
}

// cpu is what this process has used so far.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
