package tasks

import (
	"context"
	"errors"
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
		oneThread(t)
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

func TestATaskThatComesAgainWhileItsPushIsClaimedIsNotClaimedOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := slow(t, queued("a"))
		defer w.close()
		one := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait() // the store is being asked
		two := w.handle(Task{ID: "a", Epoch: 1})
		require.ErrorIs(t, <-two, errClaimedTwice)
		require.NoError(t, <-one)
		require.Equal(t, []int{1}, s.calls)
	})
}

func TestAPushIsNotClaimedWhileAnOlderAttemptOfItEndsHere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldFor(100, lingerIn("a"), of("a"), of("b")) // for longer than a lease
		defer w.close()
		state := func(id string) State { return FakeStore{w.store}.Get(id).State }
		first := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(time.Second)
		w.store.set(func(s *fakeStore) { s.pushes["a"] = Push{ID: "a", State: Queued, Desired: DesiredRun, Epoch: 2} }) // taken over
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 2}), errClaimedTwice)
		require.Equal(t, Queued, state("a"), "nobody has it who would not renew it")
		second := w.handle(Task{ID: "a", Epoch: 2}) // the queue brings it again
		w.handle(Task{ID: "b", Epoch: 1})
		synctest.Wait()
		require.Equal(t, Publishing, state("b"), "others do not wait for that")
		require.Equal(t, Queued, state("a"))
		require.NoError(t, <-first)
		synctest.Wait()
		require.Equal(t, Publishing, state("a"))
		require.Empty(t, second)
	})
}

func TestAPushIsNotTakenFromAnAttemptHereThatOwnsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldFor(100, playFor(time.Hour), of("a"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(time.Second)
		begin := time.Now()
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 2}), errClaimedTwice, "it may be announced, and comes again")
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.Equal(t, Publishing, FakeStore{w.store}.Get("a").State)
	})
}

func TestAPreparedPushIsClaimedHoweverManyOthersAreClaimedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := of("a"), of("b")
		a.Cost, b.Cost = 45*LeastCost, 45*LeastCost
		w := newCounted(newRecoding(nil), a, b)
		defer w.close()
		var asked []claimant
		for _, p := range []Push{a, b} {
			l := Lease{ID: p.ID, Epoch: 1, Worker: w.worker.Name}
			prepared := w.worker.newAttempt(l, Claimed{Push: p})
			require.NoError(t, w.worker.prepare(prepared))
			w.worker.carried.begin(l, p.Cost)
			asked = append(asked, claimant{lease: l, prepared: prepared})
		}
		answers, err := w.worker.claimAll(asked)
		require.NoError(t, err)
		for _, answer := range answers {
			require.NoError(t, answer.err)
		}
		require.Equal(t, 90*LeastCost, w.worker.carried.place(Lease{}).Taken)
	})
}

func TestATaskThatComesAgainWhileItsAttemptIsPreparedLeavesThePushToThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldFor(2, playFor(time.Second), of("a")) // released a moment ago
		defer w.close()
		l := Lease{ID: "a", Epoch: 1, Worker: w.worker.Name}
		prepared := w.worker.newAttempt(l, Claimed{Push: of("a")})
		require.NoError(t, w.worker.prepare(prepared))
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 1}), errClaimedTwice)
		answers, err := w.worker.claimAll([]claimant{{lease: l}, {lease: l, prepared: prepared}})
		require.NoError(t, err)
		require.ErrorIs(t, answers[0].err, errClaimedTwice)
		require.NoError(t, answers[1].err)
	})
}

func TestAClaimThatWaitedForAnOlderAttemptIsRefusedByAWorkerThatGoesAwayOrWasCutOffMeanwhile(t *testing.T) {
	for want, happens := range map[error]func(w *world){
		ErrDraining: func(w *world) { w.worker.Refuse() },
		ErrUnsure: func(w *world) {
			w.store.set(func(s *fakeStore) { s.away = true })
			time.Sleep(renewEvery)
			w.store.set(func(s *fakeStore) { s.away = false })
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorldFor(100, lingerIn("a"), of("a"))
			defer w.close()
			first := w.handle(Task{ID: "a", Epoch: 1})
			time.Sleep(1500 * time.Millisecond)
			w.store.set(func(s *fakeStore) { s.pushes["a"] = Push{ID: "a", State: Queued, Desired: DesiredRun, Epoch: 2} }) // taken over
			time.Sleep(3250 * time.Millisecond)                                                                             // it knows since 2 s, and ends after 7
			w.worker.carried.keep(Task{ID: "a", Epoch: 2}, true)
			second := w.handle(Task{ID: "a", Epoch: 2})
			synctest.Wait() // it waits
			happens(w)
			require.ErrorIs(t, <-second, want)
			require.NoError(t, <-first)
			require.Equal(t, Queued, FakeStore{w.store}.Get("a").State)
			if errors.Is(want, ErrUnsure) {
				require.Equal(t, 1, w.worker.carried.keepsFor(), "that says nothing of the push")
			}
		})
	}
}

func TestTheTaskOfAnOlderAttemptIsDoneWithWhereALaterOneRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		later := of("a")
		later.Epoch = 2
		w := newWorldFor(100, playFor(time.Hour), later)
		defer w.close()
		older := Lease{ID: "a", Epoch: 1, Worker: w.worker.Name}
		prepared := w.worker.newAttempt(older, Claimed{Push: of("a")})
		require.NoError(t, w.worker.prepare(prepared))
		w.handle(Task{ID: "a", Epoch: 2})
		synctest.Wait()
		require.Equal(t, 1, w.worker.Running())
		answers, err := w.worker.claimAll([]claimant{{lease: older, prepared: prepared}})
		require.NoError(t, err)
		require.ErrorIs(t, answers[0].err, ErrStale)
		begin := time.Now()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		require.Zero(t, time.Since(begin), "it takes no place in the queue until the push ends")
	})
}
