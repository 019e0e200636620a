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

func TestWhatIsBufferedOfALivePlaylistIsWhatWasNotGivenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Stream(12 * time.Second)
		info.Container = "hls"
		pg := openedFrom(t, func(ctx context.Context) (media.Source, error) {
			return &fakesource.Fragments{Source: &fakesource.Source{Ctx: ctx, Of: info}, Length: 6 * time.Second}, nil
		})
		synctest.Wait()
		for i := range 500 {
			p, err := pg.Next(t.Context(), t.Context())
			require.NoError(t, err)
			buffered, _ := pg.Buffered()
			require.InDelta(t, 12*time.Second-p.DTS, buffered, float64(3*fakesource.Frame), "packet %d", i)
		}
	})
}
