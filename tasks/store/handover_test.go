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
	h, err := s.Handover(ctx(t), next.ID, next.Epoch)
	require.NoError(t, err)
	return h
}

func TestAnAnnouncedAttemptPreparesAndClaimsOnceItIsReleased(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	l, next := handing(t, s)
	_, err := s.Claim(ctx(t), next, 0)
	require.ErrorIs(t, err, tasks.ErrHeld, "nothing is announced")
	announce(t, s, l)
	announce(t, s, l) // the reply of the first was lost
	require.Equal(t, tasks.Handover{Stands: true}, handover(t, s, next))
	got, err := s.Claim(ctx(t), next, 0)
	require.ErrorIs(t, err, tasks.ErrHandover)
	require.Equal(t, "sealed", got.Envelope)
	require.Equal(t, time.Second, got.Push.Progress.Position)
	require.NoError(t, s.Ready(ctx(t), next))
	announce(t, s, l)
	require.Equal(t, tasks.Handover{Stands: true, Successor: "w2"}, handover(t, s, next))

	push := get(t, s, l.ID)
	require.Equal(t, "w1", push.Worker)
	require.Equal(t, tasks.Publishing, push.State)
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}), "it is still the owner's")

	epoch, err := s.Release(ctx(t), l, tasks.LastReport{Progress: progress(5 * time.Second)})
	require.NoError(t, err)
	require.Equal(t, next.Epoch, epoch)
	require.False(t, handover(t, s, next).Stands)
	got, err = s.Claim(ctx(t), next, 0)
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, got.Push.Progress.Position)
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
	require.ErrorIs(t, s.Ready(ctx(t), next), tasks.ErrStale)
}

func TestOfTwoThatPreparedOneClaims(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	l, next := handing(t, s)
	other := tasks.Lease{ID: next.ID, Epoch: next.Epoch, Worker: "w3"}
	announce(t, s, l)
	for _, successor := range []tasks.Lease{next, other} {
		_, err := s.Claim(ctx(t), successor, 0)
		require.ErrorIs(t, err, tasks.ErrHandover)
		require.NoError(t, s.Ready(ctx(t), successor))
	}
	_, err := s.Release(ctx(t), l, tasks.LastReport{})
	require.NoError(t, err)
	_, err = s.Claim(ctx(t), next, 0)
	require.NoError(t, err)
	_, err = s.Claim(ctx(t), other, 0)
	require.ErrorIs(t, err, tasks.ErrHeld)
}

func TestAPushIsHandedOverColdWhenThereIsNothingToPrepare(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for name, change := range map[string]func(t *testing.T, l tasks.Lease){
		"without another worker": func(t *testing.T, _ tasks.Lease) {
			require.NoError(t, rdb.ZRem(ctx(t), "{roomcast}:workers", "w", "w2").Err())
		},
		"when it is to stop": func(t *testing.T, l tasks.Lease) {
			_, err := s.Stop(ctx(t), l.ID)
			require.NoError(t, err)
		},
		"when it has a strike": func(t *testing.T, l tasks.Lease) { set(t, rdb, l.ID, "strikes", "1") },
	} {
		t.Run(name, func(t *testing.T) {
			l, next := handing(t, s)
			change(t, l)
			announced, err := s.Announce(ctx(t), l)
			require.NoError(t, err)
			require.False(t, announced)
			_, err = s.Claim(ctx(t), next, 0)
			require.ErrorIs(t, err, tasks.ErrHeld)
		})
	}
}

func TestOnlyTheOwnerAnnounces(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	l, next := handing(t, s)
	_, err := s.Announce(ctx(t), next)
	require.ErrorIs(t, err, tasks.ErrStale)
	_, err = s.Announce(ctx(t), tasks.Lease{ID: l.ID, Epoch: l.Epoch, Worker: "w2"})
	require.ErrorIs(t, err, tasks.ErrStale)
	_, err = s.Announce(ctx(t), tasks.Lease{ID: newID(t), Epoch: 1, Worker: "w1"})
	require.ErrorIs(t, err, tasks.ErrGone)
	require.ErrorIs(t, s.Ready(ctx(t), next), tasks.ErrStale, "nothing was announced")
}

func TestAStopDuringTheHandoverEndsThePush(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	_, err := s.Claim(ctx(t), next, 0)
	require.ErrorIs(t, err, tasks.ErrHandover)
	_, err = s.Stop(ctx(t), l.ID)
	require.NoError(t, err)
	require.False(t, handover(t, s, next).Stands)
	_, err = s.Claim(ctx(t), next, 0)
	require.ErrorIs(t, err, tasks.ErrHeld)
	epoch, err := s.Release(ctx(t), l, tasks.LastReport{})
	require.NoError(t, err)
	require.Zero(t, epoch)
	_, err = s.Claim(ctx(t), next, 0)
	require.ErrorIs(t, err, tasks.ErrEnded)
	requireEnded(t, rdb, get(t, s, l.ID))
}

func TestThePreparedAttemptOfAVanishedOwnerIsTheSweepersNext(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, l.ID)).Err())
	_, err := s.Claim(ctx(t), next, 0)
	require.ErrorIs(t, err, tasks.ErrHeld, "its owner's lease is over: the sweeper decides")
	require.True(t, handover(t, s, next).Stands, "one that waits goes on waiting")
	require.Equal(t, next.Epoch, takeover(t, s, expired(t, s, 1)[0]))
	_, err = s.Claim(ctx(t), next, 0)
	require.NoError(t, err)
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
}

func TestAnAttemptIsNotPreparedWhereItCannotBeOpened(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	require.NoError(t, rdb.Set(ctx(t), "{roomcast}:secret:"+l.ID, "v1.0a0a0a0a.nonce.sealed", 0).Err())
	_, err := s.Claim(ctx(t), next, 0, "0b0b0b0b")
	require.ErrorIs(t, err, tasks.ErrNoKey)
	require.Equal(t, tasks.Handover{Stands: true}, handover(t, s, next))
	require.Nil(t, get(t, s, l.ID).Trouble, "it does not wait: it publishes")
	_, err = s.Claim(ctx(t), next, 0, "0a0a0a0a")
	require.ErrorIs(t, err, tasks.ErrHandover)
}

func TestAPushWithStrikesIsNotPreparedBesideOthers(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	set(t, rdb, l.ID, "strikes", tasks.IsolationStrikes)
	_, err := s.Claim(ctx(t), next, 1)
	require.ErrorIs(t, err, tasks.ErrIsolated)
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
				end := time.UnixMilli(int64(rdb.ZScore(ctx(t), "{roomcast}:live", l.ID).Val()))
				require.Equal(t, announced, time.Until(end) <= long)
			})
		}
	}
}

func TestTheTaskOfAnAnnouncedAttemptThatIsLostIsReplacedInTheUsualTime(t *testing.T) {
	s, rdb := fresh(t, store.Config{Grace: 10 * long})
	l, _ := handing(t, s)
	announce(t, s, l)
	for range 2 {
		require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, l.ID)).Err())
		takeover(t, s, expired(t, s, 1)[0])
	}
	end := time.UnixMilli(int64(rdb.ZScore(ctx(t), "{roomcast}:live", l.ID).Val()))
	require.Greater(t, time.Until(end), long, "its second successor has a task of its own")
}
