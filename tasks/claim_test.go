package tasks

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// slowClaims is a store whose claims take a while.
type slowClaims struct {
	*fakeStore
	calls []int
}

func (s *slowClaims) Claims(ctx context.Context, claims []Claim, keys ...string) ([]ClaimAnswer, error) {
	time.Sleep(10 * time.Millisecond)
	s.calls = append(s.calls, len(claims))
	return s.fakeStore.Claims(ctx, claims, keys...)
}

func slow(t *testing.T, pushes ...Push) (*world, *slowClaims) {
	t.Helper()
	w := newWorldFor(100, playFor(time.Second), pushes...)
	s := &slowClaims{fakeStore: w.store}
	w.worker.Store = s
	return w, s
}

func TestATakeoverOfHundredsIsClaimedInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pushes := make([]Push, 100)
		for i := range pushes {
			pushes[i] = queued(fmt.Sprint(i))
		}
		w, s := slow(t, pushes...)
		defer w.close()
		var done []chan error
		for _, p := range pushes {
			done = append(done, w.handle(Task{ID: p.ID, Epoch: 1}))
		}
		for _, d := range done {
			require.NoError(t, <-d)
		}
		require.LessOrEqual(t, len(s.calls), 4, "%v", s.calls)
		require.Len(t, s.ends, 100)
	})
}

func TestATaskThatComesTwiceAtATimeIsClaimedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := slow(t, queued("first"), queued("a"))
		defer w.close()
		first := w.handle(Task{ID: "first", Epoch: 1})
		synctest.Wait() // the others go with the next call
		one, two := w.handle(Task{ID: "a", Epoch: 1}), w.handle(Task{ID: "a", Epoch: 1})
		err := [2]error{<-one, <-two}
		require.ElementsMatch(t, []error{nil, errClaimedTwice}, err[:])
		require.NoError(t, <-first)
		require.Equal(t, []int{1, 1}, s.calls)
		end, _ := s.ended("a")
		require.Equal(t, Completed, end.State)
	})
}
