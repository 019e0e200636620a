package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// handing is a push that w1 publishes, with w2 beside it.
func handing(t *testing.T, s *store.Store) (l, next tasks.Lease) {
	t.Helper()
	p := create(t, s, newID(t))
	l = claim(t, s, p, "w1")
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second)}))
	appear(t, s, "w1", "w2")
	return l, tasks.Lease{ID: p.ID, Epoch: l.Epoch + 1, Worker: "w2"}
}

func announce(t *testing.T, s *store.Store, l tasks.Lease) {
	t.Helper()
	announced, err := s.Announce(ctx(t), l)
	require.NoError(t, err)
	require.True(t, announced)
}

func handover(t *testing.T, s *store.Store, next tasks.Lease) tasks.Handover {
	t.Helper()
	h, err := s.Handovers(ctx(t), []tasks.Lease{next})
	require.NoError(t, err)
	return h[0]
}

// appear lets workers be there.
func appear(t *testing.T, s *store.Store, workers ...string) {
	t.Helper()
	for _, w := range workers {
		_, err := s.Renew(ctx(t), tasks.WorkerReport{Name: w}, nil)
		require.NoError(t, err)
	}
}

func TestWhoWasReadyForAnEarlierAttemptIsNoSuccessor(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	_, next := handing(t, s)
	set(t, rdb, next.ID, "handover", "1 w2")
	require.Equal(t, tasks.Handover{}, handover(t, s, next))
}

func TestOfTwoThatPreparedOneClaims(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	l, next := handing(t, s)
	other := tasks.Lease{ID: next.ID, Epoch: next.Epoch, Worker: "w3"}
	announce(t, s, l)
	for _, successor := range []tasks.Lease{next, other} {
		_, err := tryClaim(ctx(t), s, successor, tasks.Place{})
		require.ErrorIs(t, err, tasks.ErrHandover)
		require.NoError(t, s.Ready(ctx(t), successor))
	}
	_, err := s.Release(ctx(t), l, tasks.LastReport{})
	require.NoError(t, err)
	_, err = tryClaim(ctx(t), s, next, tasks.Place{})
	require.NoError(t, err)
	_, err = tryClaim(ctx(t), s, other, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrHeld)
}

// A failover may lose the mark.
func TestAnAnnouncementThatIsLostIsMadeAgain(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	for range 2 {
		announce(t, s, l)
		_, err := tryClaim(ctx(t), s, next, tasks.Place{})
		require.ErrorIs(t, err, tasks.ErrHandover)
		require.NoError(t, s.Ready(ctx(t), next))
		require.Equal(t, tasks.Handover{Stands: true, Successor: "w2"}, handover(t, s, next))
		require.NoError(t, rdb.HDel(ctx(t), "{roomcast}:push:"+l.ID, "handover").Err())
		require.False(t, handover(t, s, next).Stands)
		require.ErrorIs(t, s.Ready(ctx(t), next), tasks.ErrStale)
		_, err = tryClaim(ctx(t), s, next, tasks.Place{})
		require.ErrorIs(t, err, tasks.ErrHeld)
	}
}

func TestAStopDuringTheHandoverEndsThePush(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	_, err := tryClaim(ctx(t), s, next, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrHandover)
	_, err = s.Stop(ctx(t), l.ID)
	require.NoError(t, err)
	require.False(t, handover(t, s, next).Stands)
	_, err = tryClaim(ctx(t), s, next, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrHeld)
	epoch, err := s.Release(ctx(t), l, tasks.LastReport{})
	require.NoError(t, err)
	require.Zero(t, epoch)
	_, err = tryClaim(ctx(t), s, next, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrEnded)
	requireEnded(t, rdb, get(t, s, l.ID))
}

func TestThePreparedAttemptOfAVanishedOwnerIsTheSweepersNext(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, l.ID)).Err())
	_, err := tryClaim(ctx(t), s, next, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrHeld, "its owner's lease is over: the sweeper decides")
	require.True(t, handover(t, s, next).Stands, "one that waits goes on waiting")
	require.Equal(t, next.Epoch, takeover(t, s, expired(t, s, 1)[0]))
	_, err = tryClaim(ctx(t), s, next, tasks.Place{})
	require.NoError(t, err)
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
}

// Who prepared it may have died, with its owner even; then nobody hears its bell.
func TestAnAnnouncedPushIsLookedAfterSoonOnceItIsWithoutOwner(t *testing.T) {
	s, rdb := fresh(t, store.Config{Grace: 10 * long})
	for how, leave := range map[string]func(t *testing.T, l tasks.Lease){
		"released": func(t *testing.T, l tasks.Lease) {
			_, err := s.Release(ctx(t), l, tasks.LastReport{})
			require.NoError(t, err)
		},
		"taken over": func(t *testing.T, l tasks.Lease) {
			require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, l.ID)).Err())
			require.Equal(t, l.Epoch+1, takeover(t, s, expired(t, s, 1)[0]))
		},
	} {
		for name, announced := range map[string]bool{"announced": true, "not announced": false} {
			t.Run(how+", "+name, func(t *testing.T) {
				l, _ := handing(t, s)
				if announced {
					announce(t, s, l)
				}
				leave(t, l)
				require.Equal(t, announced, time.Until(graceOf(t, rdb, l.ID)) <= long)
			})
		}
	}
}

func TestTheTaskOfAnAnnouncedAttemptThatIsLostIsReplacedInTheUsualTime(t *testing.T) {
	s, rdb := fresh(t, store.Config{Grace: 10 * long})
	l, _ := handing(t, s)
	announce(t, s, l)
	for range 2 {
		endAt(t, rdb, l.ID, 1)
		takeover(t, s, expired(t, s, 1)[0])
	}
	require.Greater(t, time.Until(graceOf(t, rdb, l.ID)), long, "its second successor has a task of its own")
}
