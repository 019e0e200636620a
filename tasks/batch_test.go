package tasks

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhoAsksWhileACallIsUnderWayGoesWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []int
		b := NewBatch(8, 0, func(asked []int) ([]int, error) {
			calls = append(calls, len(asked))
			time.Sleep(time.Millisecond)
			answers := make([]int, len(asked))
			for i, q := range asked {
				answers[i] = 2 * q
			}
			return answers, nil
		})
		var asking sync.WaitGroup
		for i := range 20 {
			asking.Go(func() {
				if i > 0 {
					time.Sleep(time.Microsecond)
				}
				answer, err := b.Ask(t.Context(), i)
				require.NoError(t, err)
				require.Equal(t, 2*i, answer)
			})
		}
		asking.Wait()
		require.Equal(t, []int{1, 8, 8, 3}, calls)
	})
}

func TestCallsOfABatchKeepTheirDistance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, calls := time.Now(), 0
		b := NewBatch(8, 15*time.Millisecond, func(asked []int) ([]int, error) { calls++; return asked, nil })
		var asking sync.WaitGroup
		for range 5 {
			asking.Go(func() {
				for range 4 {
					_, err := b.Ask(t.Context(), 1)
					require.NoError(t, err)
				}
			})
		}
		asking.Wait()
		require.LessOrEqual(t, calls, 5)
		require.Equal(t, time.Duration(calls-1)*15*time.Millisecond, time.Since(begin))
	})
}

func TestACallThatFailsFailsForAllWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("away")
		b := NewBatch(8, 0, func([]int) ([]int, error) { time.Sleep(time.Second); return nil, away })
		var asking sync.WaitGroup
		for range 5 {
			asking.Go(func() {
				_, err := b.Ask(t.Context(), 1)
				require.ErrorIs(t, err, away)
			})
		}
		asking.Wait()
	})
}

func TestWhoEndsBeforeItIsAnsweredHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBatch(8, time.Second, func(asked []int) ([]int, error) { return asked, nil })
		_, err := b.Ask(t.Context(), 1)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		_, err = b.Ask(ctx, 2)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		answer, err := b.Ask(t.Context(), 3)
		require.NoError(t, err)
		require.Equal(t, 3, answer)
	})
}
