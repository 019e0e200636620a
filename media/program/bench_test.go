package program

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// BenchmarkNext takes copied files through a hundred programs in turn, from their
// sources to what is paced, a batch each time: as in a worker, what the others have
// used in between is no longer in the processor's caches.
func BenchmarkNext(b *testing.B) {
	open := fakesource.OpenerFunc(func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
		return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(1000 * time.Hour)}, nil
	})
	programs := make([]*Program, 100)
	for i := range programs {
		programs[i] = New(Config{
			Rules:  media.Rules{Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, PixelFormats: []string{"yuv420p"}},
			Opener: open, Observer: deaf{}, Retry: func(media.Kind) media.Retry { return media.Retry{} }, Meter: media.NewMeter(0),
			Together: func(dts time.Duration) time.Duration { return dts + fakesource.Frame },
		}, media.Job{})
		defer programs[i].Close()
		require.NoError(b, programs[i].Open(b.Context()))
	}
	used := cpu(b)
	for i := 0; b.Loop(); i++ {
		if _, err := programs[i%len(programs)].Next(b.Context(), b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu(b)-used)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(0, "ns/op") // it waits for those that read the sources
}

// cpu is what this process has used so far.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
