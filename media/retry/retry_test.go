package retry

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// waits fails until it is over and returns how long was waited each time.
func waits(r *Retries, k media.Kind) []time.Duration {
	var all []time.Duration
	for {
		wait, ok := r.Next(k)
		if !ok {
			return all
		}
		all = append(all, wait)
		time.Sleep(wait)
	}
}

func TestTheFirstTryIsAtOnceAndTheOthersWaitLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(func(media.Kind) media.Retry {
			return media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 5 * time.Second, For: time.Minute}
		})
		begin := time.Now()
		got := waits(r, media.KindRoomClosed)
		require.Equal(t, time.Minute, time.Since(begin))
		require.Zero(t, got[0])
		for i, want := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second} {
			require.InDelta(t, want, got[i+1], 0.31*float64(want), "wait %d", i+1)
		}
		require.LessOrEqual(t, slices.Max(got), 5*time.Second)
	})
}

func TestTroubleThatComesAgainIsTriedAtOnceAfterGoodTimesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(func(media.Kind) media.Retry {
			return media.Retry{AtOnce: true, First: time.Second, Max: time.Second, For: time.Hour}
		})
		wait, _ := r.Next(media.KindRoomClosed)
		require.Zero(t, wait)
		r.Sent(time.Now())
		wait, _ = r.Next(media.KindRoomClosed)
		require.NotZero(t, wait, "a room that closes each time is not to be asked without pause")
		r.Sent(time.Now())
		time.Sleep(Settled)
		r.Sent(time.Now())
		wait, _ = r.Next(media.KindRoomClosed)
		require.Zero(t, wait)
	})
}

func TestTheRoomsTroubleDoesNotUseUpThePatienceWithTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(func(media.Kind) media.Retry {
			return media.Retry{First: time.Second, Max: time.Second, For: time.Minute}
		})
		waits(r, media.KindRoomUnavailable)
		begin := time.Now()
		waits(r, media.KindRoomConflict)
		require.Equal(t, time.Minute, time.Since(begin), "a name in use has patience of its own, too")
		begin = time.Now()
		waits(r, media.KindSourceUnavailable)
		require.Equal(t, time.Minute, time.Since(begin))
		_, ok := r.Next(media.KindSourceStalled)
		require.False(t, ok, "all trouble of the source is one")
	})
}
