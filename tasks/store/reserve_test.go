package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const reserved = "{roomcast}:reserved"

// appear lets workers be there.
func appear(t *testing.T, s *store.Store, workers ...string) {
	t.Helper()
	for _, w := range workers {
		_, err := s.Renew(ctx(t), tasks.WorkerReport{Name: w}, nil)
		require.NoError(t, err)
	}
}

// fleet lets workers be there, and a push with two strikes wait.
func fleet(t *testing.T, workers ...string) (*store.Store, redisconn.Client, tasks.Push) {
	t.Helper()
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	for range tasks.LonelyStrikes {
		claim(t, s, get(t, s, p.ID), "w0")
		vanish(t, s, rdb, p)
	}
	appear(t, s, workers...)
	return s, rdb, get(t, s, p.ID)
}

func reserve(t *testing.T, s *store.Store, id, worker string, emptyIn time.Duration) bool {
	t.Helper()
	yes, err := s.Reserve(ctx(t), tasks.Reservation{ID: id, Worker: worker, EmptyIn: emptyIn})
	require.NoError(t, err)
	return yes
}

func TestOneWorkerOfTheFleetIsReservedTheOneThatIsEmptySoonest(t *testing.T) {
	s, _, p := fleet(t, "w1", "w2")
	require.True(t, reserve(t, s, p.ID, "w1", 2*time.Hour))
	require.True(t, reserve(t, s, p.ID, "w1", time.Hour), "it goes on")
	require.False(t, reserve(t, s, p.ID, "w2", time.Hour))
	require.True(t, reserve(t, s, p.ID, "w2", time.Minute), "sooner empty")
	require.False(t, reserve(t, s, p.ID, "w1", time.Hour), "so the other is told to open")
}

func TestReservationEndsWhenThePushDoesNotWaitAnyMore(t *testing.T) {
	for name, end := range map[string]func(s *store.Store, p tasks.Push){
		"claimed": func(s *store.Store, p tasks.Push) { claim(t, s, p, "w2") },
		"stopped": func(s *store.Store, p tasks.Push) {
			_, err := s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, rdb, p := fleet(t, "w1", "w2")
			require.True(t, reserve(t, s, p.ID, "w1", time.Hour))
			end(s, p)
			require.False(t, reserve(t, s, p.ID, "w1", time.Hour))
			require.Zero(t, rdb.Exists(ctx(t), reserved).Val(), "no rest is needed")
		})
	}
}

func TestReservationIsOnlyForAPushThatMustRunAlone(t *testing.T) {
	s, rdb, _ := fleet(t, "w1", "w2")
	require.False(t, reserve(t, s, create(t, s, "v").ID, "w1", 0))
	require.False(t, reserve(t, s, newID(t), "w1", 0))
	require.Zero(t, rdb.Exists(ctx(t), reserved).Val())
}

func TestReservationEndsAfterItsTimeAndRests(t *testing.T) {
	s, rdb, p := fleet(t, "w1", "w2")
	require.True(t, reserve(t, s, p.ID, "w1", time.Hour))
	require.InDelta(t, tasks.ReserveTime+tasks.ReserveRest, rdb.PTTL(ctx(t), reserved).Val(), float64(patience))
	at := func(until, rest time.Duration) {
		now := time.Now()
		require.NoError(t, rdb.HSet(ctx(t), reserved, "until", now.Add(until).UnixMilli(), "rest_until", now.Add(rest).UnixMilli()).Err())
	}
	at(-time.Second, time.Hour)
	require.False(t, reserve(t, s, p.ID, "w1", time.Hour))
	require.False(t, reserve(t, s, p.ID, "w2", 0), "nor another one")
	at(-time.Hour, -time.Second)
	require.True(t, reserve(t, s, p.ID, "w2", time.Hour))
	require.False(t, reserve(t, s, p.ID, "w1", time.Hour))
}

func TestReservationOfAWorkerThatAsksNoMoreGoesToAnother(t *testing.T) {
	s, rdb, p := fleet(t, "w1", "w2")
	require.True(t, reserve(t, s, p.ID, "w1", time.Minute))
	require.NoError(t, rdb.HSet(ctx(t), reserved, "asked_until", "1").Err())
	until := rdb.HGet(ctx(t), reserved, "until").Val()
	require.True(t, reserve(t, s, p.ID, "w2", time.Hour))
	require.Equal(t, until, rdb.HGet(ctx(t), reserved, "until").Val(), "the fleet's time is not longer for that")
}

func TestOnlyWorkerIsReservedIfItWillBeEmptyInTime(t *testing.T) {
	s, _, p := fleet(t, "w1")
	require.False(t, reserve(t, s, p.ID, "w1", tasks.ReserveTime+time.Second))
	require.True(t, reserve(t, s, p.ID, "w1", tasks.ReserveTime-time.Second))
}

func TestAPushThatIsRefusedForAWhileSaysWhyOnce(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	appear(t, s, "full")
	p := create(t, s, "u")
	refused := func(after time.Duration, why tasks.Waiting) tasks.Waiting {
		t.Helper()
		require.NoError(t, s.Refused(ctx(t), tasks.TaskOf(p), after, why))
		return get(t, s, p.ID).Waiting
	}
	require.Equal(t, tasks.WaitingForSlot, refused(time.Hour, tasks.WaitingForMemory), "another worker may take it at once")
	require.Equal(t, tasks.WaitingForMemory, refused(0, tasks.WaitingForMemory))
	require.Equal(t, tasks.WaitingForMemory, refused(0, tasks.WaitingForMemory))
	require.Equal(t, tasks.WaitingForMemory, refused(0, tasks.WaitingForKey), "two workers do not talk in turns")
	var codes []string
	events, err := s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	for _, e := range events {
		if e.Type == tasks.EventTrouble {
			codes = append(codes, e.Code)
		}
	}
	require.Equal(t, []string{"no_free_slot", "no_memory"}, codes)
	claim(t, s, p, "w")
	require.Empty(t, refused(0, tasks.WaitingForMemory), "it waits no more")
}
