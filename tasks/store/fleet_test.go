package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// here lets workers be there as they tell.
func here(t *testing.T, s *store.Store, workers ...tasks.WorkerReport) {
	t.Helper()
	for _, w := range workers {
		_, err := s.Renew(ctx(t), w, nil)
		require.NoError(t, err)
	}
}

// ready is a worker that takes pushes sealed with key k.
func ready(name string, slots, used int) tasks.WorkerReport {
	return tasks.WorkerReport{Name: name, Version: "v1", Slots: slots, Used: used, State: tasks.WorkerReady, Keys: []string{"other", "k"}}
}

func as(state tasks.WorkerState, w tasks.WorkerReport) tasks.WorkerReport {
	w.State = state
	return w
}

func without(key string, w tasks.WorkerReport) tasks.WorkerReport {
	w.Keys = []string{"not " + key}
	return w
}

// sealed creates a push whose envelope key k has sealed.
func sealed(t *testing.T, s *store.Store, user string) tasks.Push {
	t.Helper()
	n := newPush(t, user)
	n.Envelope = "v1.k.nonce.text"
	p, created, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	require.True(t, created)
	return p
}

// troubles lists the codes of the troubles in a push's history.
func troubles(t *testing.T, s *store.Store, id string) []string {
	t.Helper()
	events, err := s.Events(ctx(t), id)
	require.NoError(t, err)
	var codes []string
	for _, e := range events {
		if e.Type == tasks.EventTrouble {
			require.NotEmpty(t, e.Message)
			require.NotEmpty(t, e.Side)
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// lookAfter is what the sweeper does with a push whose task waits.
func lookAfter(t *testing.T, s *store.Store, rdb redisconn.Client, id string) tasks.Waiting {
	t.Helper()
	endAt(t, rdb, id, 1)
	require.NoError(t, s.Defer(ctx(t), tasks.Expired{ID: id, Expiry: 1}, time.Hour))
	return get(t, s, id).Waiting
}

func TestTheFleetIsWhoHasRenewedAndWhatTheyTold(t *testing.T) {
	s, rdb := fresh(t, store.Config{Lease: 20 * time.Second})
	fleet := func() tasks.Fleet {
		t.Helper()
		f, err := s.Fleet(ctx(t), "k")
		require.NoError(t, err)
		return f
	}
	require.Equal(t, tasks.Fleet{Key: "k", Lack: tasks.WaitingForWorker}, fleet())
	a, b := ready("a", 2, 0), without("k", as(tasks.WorkerDraining, ready("b", 3, 3)))
	a.Since, a.Load = time.Now().UTC().Truncate(time.Second), &tasks.Load{Cores: 0.25, Memory: 1 << 30, Limit: 1 << 32}
	here(t, s, b, ready("a", 2, 1), a)
	require.Equal(t, []tasks.WorkerReport{a, b}, fleet().Workers)
	require.True(t, fleet().Opens(a))
	require.False(t, fleet().Opens(b))

	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:workers", z(1, "b")).Err())
	require.Equal(t, []tasks.WorkerReport{a}, fleet().Workers, "who does not renew is not there")
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:workers", z(9e15, "far"), z(float64(time.Now().Add(50*time.Second).UnixMilli()), "set back")).Err())
	here(t, s, a)
	require.Equal(t, []string{"a"}, rdb.ZRange(ctx(t), "{roomcast}:workers", 0, -1).Val(), "others are forgotten")
	require.Equal(t, []string{"a"}, rdb.HKeys(ctx(t), "{roomcast}:fleet").Val(), "with what they told")
}

func TestAPushSaysAtItsCreationWhyNoWorkerWouldTakeIt(t *testing.T) {
	for name, tt := range map[string]struct {
		fleet []tasks.WorkerReport
		want  tasks.Waiting
	}{
		"nobody is there":                          {nil, tasks.WaitingForWorker},
		"the only one is going away":               {[]tasks.WorkerReport{as(tasks.WorkerDraining, ready("a", 2, 0))}, tasks.WaitingForWorker},
		"none has the key":                         {[]tasks.WorkerReport{without("k", ready("a", 2, 0))}, tasks.WaitingForKey},
		"the one with the key is going away":       {[]tasks.WorkerReport{without("k", ready("a", 2, 0)), as(tasks.WorkerDraining, ready("b", 2, 0))}, tasks.WaitingForKey},
		"the one with the key is short of memory":  {[]tasks.WorkerReport{without("k", ready("a", 2, 0)), as(tasks.WorkerNoMemory, ready("b", 2, 0))}, tasks.WaitingForMemory},
		"all are short of memory":                  {[]tasks.WorkerReport{as(tasks.WorkerNoMemory, ready("a", 2, 0)), as(tasks.WorkerNoMemory, ready("b", 2, 1))}, tasks.WaitingForMemory},
		"the cores of all are taken":               {[]tasks.WorkerReport{full(ready("a", 9, 3)), full(ready("b", 9, 4))}, tasks.WaitingForCapacity},
		"there are cores beside one that is full":  {[]tasks.WorkerReport{full(ready("a", 9, 3)), ready("b", 9, 4)}, ""},
		"the one with cores lacks the key":         {[]tasks.WorkerReport{full(ready("a", 9, 3)), without("k", ready("b", 9, 0))}, tasks.WaitingForCapacity},
		"it has no slots":                          {[]tasks.WorkerReport{ready("a", 0, 0)}, tasks.WaitingForSlot},
		"there is room":                            {[]tasks.WorkerReport{ready("a", 1, 0)}, ""},
		"what is taken was given back meanwhile":   {[]tasks.WorkerReport{ready("a", 1, 1)}, ""},
		"there is room beside one that takes none": {[]tasks.WorkerReport{as(tasks.WorkerNoMemory, ready("a", 2, 0)), ready("b", 1, 0)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := fresh(t, store.Config{})
			here(t, s, tt.fleet...)
			before := time.Now()
			p := sealed(t, s, "u")
			require.Equal(t, tt.want, p.Waiting)
			require.Equal(t, p, get(t, s, p.ID), "what is answered is what is stored")
			fleet, err := s.Fleet(ctx(t), "k")
			require.NoError(t, err)
			if tt.want == "" {
				require.Nil(t, p.Trouble)
				require.Empty(t, troubles(t, s, p.ID))
				return
			}
			require.Equal(t, tt.want, fleet.Lack)
			require.Equal(t, []string{string(tt.want)}, troubles(t, s, p.ID))
			require.Equal(t, tasks.Code(tt.want), p.Trouble.Code)
			require.NotEmpty(t, p.Trouble.Message)
			require.WithinDuration(t, before, p.Trouble.Since, patience)
		})
	}
}

// During an update there are workers of a version that tells nothing, or less.
func TestWhatAWorkerDoesNotTellIsTakenForTheBest(t *testing.T) {
	for name, report := range map[string]string{
		"nothing":           "",
		"less":              `{"state":"ready","keys":["k"]}`,
		"something else":    `{"state":7,"slots":[],"used":"x","keys":3,"since":null}`,
		"no JSON":           `{`,
		"no report, either": `[]`,
	} {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			soon := float64(time.Now().Add(time.Minute).UnixMilli())
			require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:workers", z(soon, "old")).Err())
			if report != "" {
				require.NoError(t, rdb.HSet(ctx(t), "{roomcast}:fleet", "old", report).Err())
			}
			p := sealed(t, s, "u")
			require.Empty(t, p.Waiting)
			require.Equal(t, tasks.WaitingForTurn, lookAfter(t, s, rdb, p.ID))
			f, err := s.Fleet(ctx(t), "k")
			require.NoError(t, err)
			require.Empty(t, f.Lack)
			require.Len(t, f.Workers, 1)
			require.Equal(t, "old", f.Workers[0].Name)
			require.Equal(t, tasks.WorkerReady, f.Workers[0].State)
			require.True(t, f.Opens(f.Workers[0]))
			c, err := s.Census(ctx(t))
			require.NoError(t, err)
			require.Equal(t, 1, c.Workers)
		})
	}
}

func TestOfABurstThoseWhomNoSlotIsLeftSaySoAtOnce(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	here(t, s, ready("a", 2, 0), ready("b", 1, 0))
	var got []tasks.Waiting
	var pushes []tasks.Push
	for _, user := range []string{"1", "2", "3", "4", "5"} {
		p := sealed(t, s, user)
		got, pushes = append(got, p.Waiting), append(pushes, p)
	}
	require.Equal(t, []tasks.Waiting{"", "", "", tasks.WaitingForSlot, tasks.WaitingForSlot}, got)

	for _, p := range pushes[:4] {
		_, err := s.Stop(ctx(t), p.ID)
		require.NoError(t, err)
	}
	require.Empty(t, sealed(t, s, "6").Waiting, "there is room as soon as pushes have ended, before their worker has told")
}

func TestACreateWhoseReplyWasLostAnswersTheSameTrouble(t *testing.T) {
	s, rdb, calls := recorded(t, store.Config{})
	p := create(t, s, "u")
	want := again(t, rdb, calls.calls[0])
	require.Contains(t, want, "no_worker")
	require.Equal(t, []string{"no_worker"}, troubles(t, s, p.ID))
}

func TestQueuedPushSaysWhyItWaitsOnceForEachReason(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := sealed(t, s, "u")
	look := func(want tasks.Waiting, fleet ...tasks.WorkerReport) {
		t.Helper()
		here(t, s, fleet...)
		require.Equal(t, want, lookAfter(t, s, rdb, p.ID))
		require.Equal(t, want, lookAfter(t, s, rdb, p.ID))
	}
	look(tasks.WaitingForWorker)
	look(tasks.WaitingForSlot, ready("a", 0, 0))
	look(tasks.WaitingForTurn, ready("a", 1, 0))
	look(tasks.WaitingForKey, without("k", ready("a", 1, 0)))
	look(tasks.WaitingForKey, ready("b", 0, 0)) // a still says so
	look(tasks.WaitingForSlot, ready("a", 0, 0))
	look(tasks.WaitingForMemory, as(tasks.WorkerNoMemory, ready("a", 1, 0)), as(tasks.WorkerNoMemory, ready("b", 1, 0)))
	look(tasks.WaitingForMemory, ready("b", 0, 0)) // a still says so
	look(tasks.WaitingForTurn, ready("a", 1, 0))
	require.Equal(t, []string{
		"no_worker", "no_free_slot", "waiting_for_worker", "no_key", "no_free_slot", "no_memory", "waiting_for_worker",
	}, troubles(t, s, p.ID))

	l := claim(t, s, p, "w")
	require.Empty(t, get(t, s, p.ID).Waiting)
	_, err := s.Release(ctx(t), l, tasks.LastReport{Progress: progress(0)})
	require.NoError(t, err)
	require.Empty(t, get(t, s, p.ID).Waiting, "it has not waited for long yet")
}

// full is a worker whose cores are taken.
func full(w tasks.WorkerReport) tasks.WorkerReport {
	w.Capacity = &tasks.CapacityReport{Taken: 100, Limit: 100, Full: true}
	return w
}

func TestAPushWaitsForCoresWhileItIsLargerThanWhatAnyWorkerHasFree(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := sealed(t, s, "u")
	set(t, rdb, p.ID, "cost", 60)
	look := func(want tasks.Waiting, fleet ...tasks.WorkerReport) {
		t.Helper()
		here(t, s, fleet...)
		set(t, rdb, p.ID, "waiting", "")
		require.Equal(t, want, lookAfter(t, s, rdb, p.ID))
	}
	with := func(taken tasks.Cost) tasks.WorkerReport {
		w := ready("a", 9, 1)
		w.Capacity = &tasks.CapacityReport{Taken: taken, Limit: 100}
		return w
	}
	look(tasks.WaitingForCapacity, with(41))
	look(tasks.WaitingForTurn, with(40))
	look(tasks.WaitingForCapacity, full(with(0)))
	look(tasks.WaitingForTurn, with(0))
	set(t, rdb, p.ID, "cost", 600)
	look(tasks.WaitingForTurn, with(0)) // it runs in an empty one
	look(tasks.WaitingForCapacity, with(1))
	look(tasks.WaitingForTurn, with(1), ready("b", 9, 0)) // which counts none
	large := ready("b", 9, 1)
	large.Capacity = &tasks.CapacityReport{Taken: 101, Limit: 700}
	look(tasks.WaitingForCapacity, with(0), large) // it waits for the one that it fits in
}

func TestAPushThatWaitsForCoresSaysSoOnceWhileOthersComeAndGo(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := sealed(t, s, "u")
	set(t, rdb, p.ID, "cost", 2*int64(tasks.LeastCost))
	for range 3 {
		_, err := tryClaim(ctx(t), s, lease(p, "a"), tasks.Place{Taken: 2 * tasks.LeastCost, Limit: 3 * tasks.LeastCost})
		require.ErrorIs(t, err, tasks.ErrCapacity)
		w := ready("a", 9, 1)
		w.Capacity = &tasks.CapacityReport{Taken: tasks.LeastCost, Limit: 3 * tasks.LeastCost}
		here(t, s, w) // for a moment it would fit
		require.Equal(t, tasks.WaitingForCapacity, lookAfter(t, s, rdb, p.ID))
	}
	require.Equal(t, []string{"no_worker", "no_capacity"}, troubles(t, s, p.ID))
	claim(t, s, p, "a")
	require.Empty(t, get(t, s, p.ID).Waiting)
}

func TestAPushThatLacksCoresSaysSoAlsoWhereMorePushesThanSlotsAreThere(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := sealed(t, s, "u")
	for _, user := range []string{"1", "2", "3"} {
		sealed(t, s, user)
	}
	set(t, rdb, p.ID, "cost", 60)
	w := ready("a", 2, 1)
	w.Capacity = &tasks.CapacityReport{Taken: 41, Limit: 100}
	here(t, s, w)
	require.Equal(t, tasks.WaitingForCapacity, lookAfter(t, s, rdb, p.ID))
	w.Used = 2
	here(t, s, w)
	set(t, rdb, p.ID, "waiting", "")
	require.Equal(t, tasks.WaitingForSlot, lookAfter(t, s, rdb, p.ID))
}

func TestAPushWaitsForASlotOnlyWhileNoneIsFree(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	here(t, s, ready("a", 1, 0))
	first, second := sealed(t, s, "1"), sealed(t, s, "2")
	require.Equal(t, tasks.WaitingForTurn, lookAfter(t, s, rdb, first.ID), "the queue may be paused")
	require.Equal(t, tasks.WaitingForSlot, lookAfter(t, s, rdb, second.ID), "there are more than fit")
	here(t, s, ready("a", 1, 1))
	require.Equal(t, tasks.WaitingForSlot, lookAfter(t, s, rdb, first.ID))
	here(t, s, ready("a", 1, 0))
	require.Equal(t, tasks.WaitingForSlot, lookAfter(t, s, rdb, first.ID), "one that is free for a moment changes nothing")
}

func TestAPushWithTwoStrikesSaysThatItNeedsAnEmptyWorker(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := struck(t, s, rdb)
	here(t, s, ready("w1", 2, 1))
	require.Equal(t, tasks.WaitingForEmpty, lookAfter(t, s, rdb, p.ID))
	here(t, s, ready("w1", 1, 1))
	require.Equal(t, tasks.WaitingForEmpty, lookAfter(t, s, rdb, p.ID))
}
