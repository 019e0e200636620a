package program

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// BenchmarkNext takes a copied file's packets through a program, from its source to
// what is paced.
func BenchmarkNext(b *testing.B) {
	open := fakesource.OpenerFunc(func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
		return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(1000 * time.Hour)}, nil
	})
	rules := media.Rules{Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, PixelFormats: []string{"yuv420p"}}
	pg := New(Config{Rules: rules, Opener: open, Observer: deaf{}, Retry: func(media.Kind) media.Retry { return media.Retry{} }, Meter: media.NewMeter(0)}, media.Job{})
	defer pg.Close()
	require.NoError(b, pg.Open(b.Context()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pg.Next(b.Context(), b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
