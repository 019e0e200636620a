package program

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// deaf is an Observer to whom nothing is told.
type deaf struct{ media.Observer }

func (deaf) Planned(media.SourceInfo, bool, media.Plan) {}

// alone is for packets that go out one by one.
func alone(dts time.Duration) time.Duration { return dts }

func TestWhatIsBufferedOfALivePlaylistIsWhatWasNotGivenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Stream(12 * time.Second)
		info.Container = "hls"
		open := fakesource.OpenerFunc(func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			return &fakesource.Fragments{Source: &fakesource.Source{Ctx: ctx, Of: info}, Length: 6 * time.Second}, nil
		})
		rules := media.Rules{Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, PixelFormats: []string{"yuv420p"}}
		m := New(Config{Rules: rules, Opener: open, Observer: deaf{}, Retry: func(media.Kind) media.Retry { return media.Retry{} }, Meter: media.NewMeter(0), Together: alone}, media.Job{})
		defer m.Close()
		require.NoError(t, m.Open(t.Context()))
		synctest.Wait()
		for i := range 500 {
			batch, err := m.Next(t.Context(), t.Context())
			require.NoError(t, err)
			require.Len(t, batch, 1)
			p := batch[0]
			buffered, _ := m.Buffered()
			require.InDelta(t, 12*time.Second-p.DTS, buffered, float64(3*fakesource.Frame), "packet %d", i)
		}
	})
}
