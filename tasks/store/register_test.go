package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// running creates a push, lets it publish and returns it as its worker would
// register it.
func running(t testing.TB, s *store.Store, user string) tasks.Registration {
	t.Helper()
	p := create(t, s, user)
	p.Epoch = 3
	renew(t, s, tasks.Renewal{
		Lease: claim(t, s, p, "w"), State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second),
		Source: &tasks.SourceReport{Kind: "vod"}, Plan: &media.Plan{Video: &media.TrackPlan{Action: media.Copy, Output: media.Output{Width: 640, Height: 360}}},
		Warnings: []tasks.Warning{{Code: "c", Message: "m"}},
	})
	return tasks.Registration{Push: get(t, s, p.ID), Envelope: "sealed"}
}

func register(t testing.TB, s *store.Store, r tasks.Registration) tasks.Verdict {
	t.Helper()
	v, err := s.Register(ctx(t), r)
	require.NoError(t, err)
	return v
}

func flush(t testing.TB, rdb redisconn.Client) {
	t.Helper()
	require.NoError(t, rdb.FlushAll(ctx(t)).Err())
}

func TestRegisteredPushIsAsItWasAndLivesOn(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	r := running(t, s, "u")
	r.Push.Strikes = 1
	flush(t, rdb)
	l := lease(r.Push, "w")
	require.Equal(t, tasks.Gone, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
	event := tasks.Event{At: time.Now(), Type: tasks.EventTrouble, Code: "x", Seq: 4}
	r.Events = []tasks.Event{event}
	for range 2 { // the reply of the first was lost
		require.Equal(t, tasks.Kept, register(t, s, r))
	}
	require.Equal(t, r.Push, get(t, s, r.Push.ID))
	events, err := s.Events(ctx(t), r.Push.ID)
	require.NoError(t, err)
	require.Len(t, events, 3)
	require.Equal(t, "x", events[0].Code)
	require.Equal(t, tasks.EventState, events[1].Type, "streams show the push with it")
	require.Equal(t, tasks.Publishing, events[1].State)
	require.Equal(t, "record_restored", events[2].Code)
	require.Equal(t, tasks.EventWarning, events[2].Type)
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Reconnecting, Events: []tasks.Event{event}}))
	events, err = s.Events(ctx(t), r.Push.ID)
	require.NoError(t, err)
	require.Len(t, events, 4, "a state; the event is known")

	_, _, err = s.Create(ctx(t), newPush(t, "u"))
	require.Equal(t, tasks.CodeUserBusy, tasks.CodeOf(err))
	for _, f := range []tasks.Filter{{}, {States: []tasks.State{tasks.Reconnecting}}, {RoomID: "room"}, {UserID: "u"}, {SDKAppID: 1400000001}} {
		f.Limit = 10
		require.Len(t, all(t, s, f), 1)
	}
	require.Positive(t, rdb.ZScore(ctx(t), "{roomcast}:live", r.Push.ID).Val())
	_, err = s.Stop(ctx(t), r.Push.ID)
	require.NoError(t, err)
	require.Equal(t, tasks.Stop, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Reconnecting}))
	require.NoError(t, finish(t, s, l, tasks.End{State: tasks.Stopped}))
	requireEnded(t, rdb, r.Push)
}

func TestARegistrationTellsItsStateOnce(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	r := running(t, s, "u")
	flush(t, rdb)
	r.Events = []tasks.Event{{At: time.Now(), Type: tasks.EventState, State: tasks.Publishing, Seq: 4}}
	require.Equal(t, tasks.Kept, register(t, s, r))
	events, err := s.Events(ctx(t), r.Push.ID)
	require.NoError(t, err)
	require.Len(t, events, 2, "it is among what its worker has to tell")
}

func TestRegisterMeets(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for name, c := range map[string]struct {
		prepare func(t *testing.T, r *tasks.Registration)
		want    tasks.Verdict
	}{
		"its own record": {func(*testing.T, *tasks.Registration) {}, tasks.Kept},
		"a record older than its attempt": {func(t *testing.T, r *tasks.Registration) {
			set(t, rdb, r.Push.ID, "epoch", "2", "worker", "x")
		}, tasks.Kept},
		"a record that forgot its claim": {func(t *testing.T, r *tasks.Registration) {
			set(t, rdb, r.Push.ID, "worker", "", "state", "queued")
		}, tasks.Kept},
		"its own record, which is to stop": {func(t *testing.T, r *tasks.Registration) {
			_, err := s.Stop(ctx(t), r.Push.ID)
			require.NoError(t, err)
		}, tasks.Stop},
		"a record of a later attempt": {func(t *testing.T, r *tasks.Registration) { set(t, rdb, r.Push.ID, "epoch", "4") }, tasks.Lost},
		"a record of another worker":  {func(t *testing.T, r *tasks.Registration) { set(t, rdb, r.Push.ID, "worker", "x") }, tasks.Lost},
		"a record that has ended":     {func(t *testing.T, r *tasks.Registration) { set(t, rdb, r.Push.ID, "state", "failed") }, tasks.Lost},
		"another push of its user": {func(t *testing.T, r *tasks.Registration) {
			flush(t, rdb)
			create(t, s, r.Push.Spec.UserID)
		}, tasks.Lost},
		"another push of its user that has ended": {func(t *testing.T, r *tasks.Registration) {
			flush(t, rdb)
			p := create(t, s, r.Push.Spec.UserID)
			set(t, rdb, p.ID, "state", "stopped")
		}, tasks.Kept},
		"a claim on its user without a push": {func(t *testing.T, r *tasks.Registration) {
			flush(t, rdb)
			p := create(t, s, r.Push.Spec.UserID)
			require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+p.ID).Err())
		}, tasks.Kept},
		"nothing, and knows that it is to stop": {func(t *testing.T, r *tasks.Registration) {
			flush(t, rdb)
			r.Push.Desired = tasks.DesiredStop
		}, tasks.Stop},
		"nothing but the index of ended pushes": {func(t *testing.T, r *tasks.Registration) {
			_, err := s.Stop(ctx(t), r.Push.ID)
			require.NoError(t, err)
			require.NoError(t, finish(t, s, lease(r.Push, "w"), tasks.End{State: tasks.Stopped}))
			require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+r.Push.ID).Err())
		}, tasks.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			r := running(t, s, newID(t))
			c.prepare(t, &r)
			for range 2 { // the reply of the first was lost
				require.Equal(t, c.want, register(t, s, r))
			}
			if c.want != tasks.Lost {
				require.Equal(t, c.want, renew(t, s, tasks.Renewal{Lease: lease(r.Push, "w"), State: tasks.Publishing}))
				require.Equal(t, r.Push.ID, rdb.Get(ctx(t), "{roomcast}:user:1400000001:"+r.Push.Spec.UserID).Val())
			}
		})
	}
}

func TestRegisterRefusesWhatDoesNotRun(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	_, err := s.Register(ctx(t), tasks.Registration{Push: p})
	require.Equal(t, tasks.CodeInternal, tasks.CodeOf(err))
}
