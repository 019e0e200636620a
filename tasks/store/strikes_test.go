package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// expire makes it as if p's lease and every worker's presence were over.
func expire(t testing.TB, rdb redisconn.Client, id string) {
	t.Helper()
	endAt(t, rdb, id, 1)
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:workers").Err())
}

// endAt lets the lease of a push, or its grace while queued, end at a time.
func endAt(t testing.TB, rdb redisconn.Client, id string, ms int64) {
	t.Helper()
	for _, key := range []string{"{roomcast}:live", "{roomcast}:queued"} {
		require.NoError(t, rdb.ZAddXX(ctx(t), key, z(float64(ms), id)).Err())
	}
}

// graceOf returns when the grace of a queued push ends.
func graceOf(t testing.TB, rdb redisconn.Client, id string) time.Time {
	t.Helper()
	require.Error(t, rdb.ZScore(ctx(t), "{roomcast}:live", id).Err(), "no worker holds it")
	ms, err := rdb.ZScore(ctx(t), "{roomcast}:queued", id).Result()
	require.NoError(t, err)
	return time.UnixMilli(int64(ms))
}

// vanish lets the worker of p's attempt vanish and a sweeper take p over.
func vanish(t testing.TB, s *store.Store, rdb redisconn.Client, p tasks.Push) tasks.Taken {
	t.Helper()
	expire(t, rdb, p.ID)
	taken, err := s.Takeover(ctx(t), tasks.Expired{ID: p.ID, Expiry: 1, Push: p})
	require.NoError(t, err)
	return taken
}

// struck is a push with two strikes.
func struck(t *testing.T, s *store.Store, rdb redisconn.Client) tasks.Push {
	t.Helper()
	p := create(t, s, "u")
	for range tasks.IsolationStrikes {
		claim(t, s, get(t, s, p.ID), "w")
		vanish(t, s, rdb, p)
	}
	return get(t, s, p.ID)
}

func TestPushWhoseWorkersVanishIsPoisonedAfterThreeStrikes(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	for strike := 1; strike < tasks.MaxStrikes; strike++ {
		renew(t, s, tasks.Renewal{Lease: claim(t, s, get(t, s, p.ID), "w"), State: tasks.Publishing})
		require.Equal(t, tasks.Taken{State: tasks.Queued, Next: int64(strike) + 1}, vanish(t, s, rdb, p))
		require.Equal(t, strike, get(t, s, p.ID).Strikes)
	}
	claim(t, s, get(t, s, p.ID), "w")
	require.Equal(t, tasks.Taken{State: tasks.Failed}, vanish(t, s, rdb, p))
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Failed, got.State)
	require.Equal(t, tasks.CodePoisoned, got.Failure.Code)
	require.Equal(t, tasks.MaxStrikes, got.Strikes)
	requireEnded(t, rdb, p)
	events, err := s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	require.Equal(t, got.Failure.Message, events[len(events)-1].Message)
}

func TestTakeoverWithoutAStrike(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for name, prepare := range map[string]func(t *testing.T, p tasks.Push){
		"of a push that had settled": func(t *testing.T, p tasks.Push) {
			renew(t, s, tasks.Renewal{Lease: claim(t, s, p, "w"), State: tasks.Publishing, Settled: true})
			expire(t, rdb, p.ID)
		},
		"of a queued push whose task was lost": func(t *testing.T, p tasks.Push) { expire(t, rdb, p.ID) },
		"of a push whose claim's reply was lost, so that its worker lives and knows nothing of it": func(t *testing.T, p tasks.Push) {
			claim(t, s, p, "w")
			expire(t, rdb, p.ID)
			_, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, nil)
			require.NoError(t, err)
		},
		"of a push that was released and not claimed again": func(t *testing.T, p tasks.Push) {
			_, err := s.Release(ctx(t), claim(t, s, p, "w"), tasks.LastReport{Progress: progress(0)})
			require.NoError(t, err)
			expire(t, rdb, p.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := create(t, s, newID(t))
			prepare(t, p)
			epoch := get(t, s, p.ID).Epoch
			require.Equal(t, epoch+1, takeover(t, s, tasks.Expired{ID: p.ID, Expiry: 1, Push: p}))
			require.Zero(t, get(t, s, p.ID).Strikes)
		})
	}
}

func TestSettlingClearsStrikesAndAnEarlierAttemptsSettlingDoesNotCount(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	claim(t, s, p, "w1")
	vanish(t, s, rdb, p)
	l := claim(t, s, get(t, s, p.ID), "w2")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing})
	require.Equal(t, 1, get(t, s, p.ID).Strikes)
	for range 2 {
		renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Settled: true})
		require.Zero(t, get(t, s, p.ID).Strikes)
	}
	vanish(t, s, rdb, p)
	require.Zero(t, get(t, s, p.ID).Strikes)
	claim(t, s, get(t, s, p.ID), "w3")
	vanish(t, s, rdb, p)
	require.Equal(t, 1, get(t, s, p.ID).Strikes)
}

func TestWorkerThatWasOnlyCutOffTakesItsStrikeBackOnce(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	first := claim(t, s, p, "w1")
	vanish(t, s, rdb, p)
	second := claim(t, s, get(t, s, p.ID), "w2")
	vanish(t, s, rdb, p)
	require.Equal(t, 2, get(t, s, p.ID).Strikes)
	for range 3 {
		require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: first, State: tasks.Publishing}))
		require.Equal(t, 1, get(t, s, p.ID).Strikes)
	}
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: second, State: tasks.Publishing}))
	require.Zero(t, get(t, s, p.ID).Strikes)
}

func TestAttemptThatEndedWhileItWasCutOffTakesItsStrikeBackOnce(t *testing.T) {
	for name, back := range map[string]func(t *testing.T, s *store.Store, l tasks.Lease){
		"with its end": func(t *testing.T, s *store.Store, l tasks.Lease) {
			require.ErrorIs(t, finish(t, s, l, tasks.End{State: tasks.Completed}), tasks.ErrStale)
		},
		"with its release": func(t *testing.T, s *store.Store, l tasks.Lease) {
			_, err := s.Release(ctx(t), l, tasks.LastReport{Progress: progress(0)})
			require.ErrorIs(t, err, tasks.ErrStale)
		},
		"with an announcement": func(t *testing.T, s *store.Store, l tasks.Lease) {
			_, err := s.Announce(ctx(t), l)
			require.ErrorIs(t, err, tasks.ErrStale)
		},
		"with a renewal that is over": func(t *testing.T, s *store.Store, l tasks.Lease) {
			require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, Over: true}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			p := create(t, s, "u")
			first := claim(t, s, p, "w1")
			vanish(t, s, rdb, p)
			claim(t, s, get(t, s, p.ID), "w2")
			vanish(t, s, rdb, p)
			require.Equal(t, 2, get(t, s, p.ID).Strikes)
			for range 3 {
				back(t, s, first)
				require.Equal(t, 1, get(t, s, p.ID).Strikes)
			}
		})
	}
}

func TestRenewalThatIsOverExtendsNoLease(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, p.ID)).Err())
	want := get(t, s, p.ID)
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Over: true}))
	require.Equal(t, want, get(t, s, p.ID))
	require.EqualValues(t, 1, rdb.ZScore(ctx(t), "{roomcast}:live", p.ID).Val())
}

func TestStrikeOfAPoisonedPushIsNotTakenBack(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	var last tasks.Lease
	for range tasks.MaxStrikes {
		last = claim(t, s, get(t, s, p.ID), "w")
		vanish(t, s, rdb, p)
	}
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: last, State: tasks.Publishing}))
	require.Equal(t, tasks.Failed, get(t, s, p.ID).State)
	require.Equal(t, tasks.MaxStrikes, get(t, s, p.ID).Strikes)
}

func TestStopOfAPoisonedPushsLastAttemptEndsItAsStopped(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	for range tasks.MaxStrikes - 1 {
		claim(t, s, get(t, s, p.ID), "w")
		vanish(t, s, rdb, p)
	}
	claim(t, s, get(t, s, p.ID), "w")
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	require.Equal(t, tasks.Taken{State: tasks.Stopped}, vanish(t, s, rdb, p))
}
