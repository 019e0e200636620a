package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// deaf is an Observer to whom nothing is told.
type deaf struct{ Observer }

func (deaf) Planned(SourceInfo, bool, Plan) {}

func TestWhatIsBufferedOfALivePlaylistIsWhatWasNotGivenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := stream(12 * time.Second)
		info.Container = "hls"
		open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			return &fragments{fakeSource: &fakeSource{ctx: ctx, info: info}, length: 6 * time.Second}, nil
		})
		rules := Rules{Video: []Codec{H264}, Audio: []Codec{AAC}, PixelFormats: []string{"yuv420p"}}
		m := newProgram(mixerConfig{rules: rules, reel: &reel{opener: open}, observer: deaf{}, retry: func(Kind) Retry { return Retry{} }, meter: NewMeter(0)}, Job{})
		defer m.close()
		require.NoError(t, m.open(t.Context()))
		synctest.Wait()
		for i := range 500 {
			p, err := m.next(t.Context(), t.Context())
			require.NoError(t, err)
			require.InDelta(t, 12*time.Second-p.DTS, m.buffered(), float64(3*frame), "packet %d", i)
		}
	})
}
