package media

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// waits fails until it is over and returns how long was waited each time.
func waits(r *retries, k Kind) []time.Duration {
	var all []time.Duration
	for {
		wait, ok := r.next(k)
		if !ok {
			return all
		}
		all = append(all, wait)
		time.Sleep(wait)
	}
}

func TestTheFirstTryIsAtOnceAndTheOthersWaitLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetries(func(Kind) Retry {
			return Retry{AtOnce: true, First: 500 * time.Millisecond, Max: 5 * time.Second, For: time.Minute}
		})
		begin := time.Now()
		got := waits(r, KindRoomClosed)
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
		r := newRetries(func(Kind) Retry { return Retry{AtOnce: true, First: time.Second, Max: time.Second, For: time.Hour} })
		wait, _ := r.next(KindRoomClosed)
		require.Zero(t, wait)
		r.sent(time.Now())
		wait, _ = r.next(KindRoomClosed)
		require.NotZero(t, wait, "a room that closes each time is not to be asked without pause")
		r.sent(time.Now())
		time.Sleep(settled)
		r.sent(time.Now())
		wait, _ = r.next(KindRoomClosed)
		require.Zero(t, wait)
	})
}

func TestTheRoomsTroubleDoesNotUseUpThePatienceWithTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetries(func(Kind) Retry { return Retry{First: time.Second, Max: time.Second, For: time.Minute} })
		waits(r, KindRoomUnavailable)
		begin := time.Now()
		waits(r, KindRoomConflict)
		require.Equal(t, time.Minute, time.Since(begin), "a name in use has patience of its own, too")
		begin = time.Now()
		waits(r, KindSourceUnavailable)
		require.Equal(t, time.Minute, time.Since(begin))
		_, ok := r.next(KindSourceStalled)
		require.False(t, ok, "all trouble of the source is one")
	})
}
