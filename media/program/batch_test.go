package program

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// opened is a program whose source is f, and whose packets go out with those of the
// next span.
func opened(t *testing.T, f fakesource.Source, span time.Duration) *Program {
	t.Helper()
	pg := openedFrom(t, func(ctx context.Context) (media.Source, error) {
		f.Ctx = ctx
		return &f, nil
	})
	pg.Together = func(dts time.Duration) time.Duration { return dts + span }
	return pg
}

// times are the DTS of packets.
func times(packets []media.Packet) (all []time.Duration) {
	for _, p := range packets {
		all = append(all, p.DTS)
	}
	return all
}

func TestWhatIsDueTogetherIsHandedOnTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := opened(t, fakesource.Source{Of: fakesource.Clip(time.Second)}, fakesource.Frame)
		last := time.Second - fakesource.Frame
		for at := time.Duration(0); at < last; at += fakesource.Frame {
			packets, err := pg.Next(t.Context(), t.Context())
			require.NoError(t, err)
			require.Equal(t, []time.Duration{at, at + fakesource.AudioFrame}, times(packets), "a picture and the sound beside it")
		}
		for range 2 { // more of the other track might have come between
			packets, err := pg.Next(t.Context(), t.Context())
			require.NoError(t, err)
			require.Len(t, packets, 1)
		}
		_, err := pg.Next(t.Context(), t.Context())
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestABatchIsNotWaitedForAndWhatItEndsWithIsToldBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := opened(t, fakesource.Source{Of: fakesource.Clip(time.Minute), FailAt: 2 * time.Second,
			Err: &media.Error{Kind: media.KindSourceUnavailable, Op: "read source"}}, time.Hour)
		begin, got := time.Now(), 0
		var err error
		for err == nil {
			var packets []media.Packet
			packets, err = pg.Next(t.Context(), t.Context())
			got += len(packets)
		}
		require.Equal(t, media.KindSourceUnavailable, media.KindOf(err))
		require.Equal(t, 100, got)
		require.Zero(t, time.Since(begin))
	})
}

func TestABatchHasBoundsWhateverTheTimesOfItsPackets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pg := opened(t, fakesource.Source{Of: fakesource.Clip(time.Minute)}, time.Hour)
		for total := 0; total < 1000; {
			packets, err := pg.Next(t.Context(), t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, len(packets), batchPackets)
			total += len(packets)
		}
	})
}
