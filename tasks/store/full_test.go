package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func fill(t *testing.T, rdb redisconn.Client) {
	t.Helper()
	require.NoError(t, rdb.ConfigSet(ctx(t), "maxmemory", "1").Err())
}

// Redis that is full takes no new push, but what ends one makes room there.
func TestPushesEndWhileRedisIsFull(t *testing.T) {
	failed := &tasks.Failure{Code: tasks.CodeInternal}
	for name, tt := range map[string]struct {
		held bool // by a worker
		act  func(*store.Store, tasks.Lease) error
		want tasks.State
	}{
		"a queued push is stopped": {false, func(s *store.Store, l tasks.Lease) error {
			_, err := s.Stop(ctx(t), l.ID)
			return err
		}, tasks.Stopped},
		"a held push is to stop": {true, func(s *store.Store, l tasks.Lease) error {
			_, err := s.Stop(ctx(t), l.ID)
			return err
		}, tasks.Stopping},
		"a push cannot be enqueued": {false, func(s *store.Store, l tasks.Lease) error {
			return s.Abort(ctx(t), l.ID, *failed)
		}, tasks.Failed},
		"a worker ends its push": {true, func(s *store.Store, l tasks.Lease) error {
			_, err := s.Finish(ctx(t), l, tasks.End{State: tasks.Failed, Failure: failed})
			return err
		}, tasks.Failed},
		"a worker gives its push back": {true, func(s *store.Store, l tasks.Lease) error {
			_, err := s.Release(ctx(t), l, tasks.LastReport{})
			return err
		}, tasks.Queued},
		"a push whose worker is gone is taken over": {true, func(s *store.Store, _ tasks.Lease) error {
			_, err := s.Takeover(ctx(t), expired(t, s, 1)[0])
			return err
		}, tasks.Queued},
	} {
		t.Run(name, func(t *testing.T) {
			rdb := alone(t).Client(t)
			s := store.New(rdb, store.Config{Lease: short})
			p := create(t, s, "u")
			if tt.held {
				claim(t, s, p, "w")
			}
			fill(t, rdb)
			require.NoError(t, tt.act(s, lease(p, "w")))
			require.Equal(t, tt.want, get(t, s, p.ID).State)
			_, _, err := s.Create(ctx(t), newPush(t, "other"))
			require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(err))
		})
	}
}

// Its queued task may come before the sweeper does.
func TestAPushThatIsToStopEndsAtAClaimWhileRedisIsFull(t *testing.T) {
	rdb := alone(t).Client(t)
	s := store.New(rdb, store.Config{Lease: long})
	p := create(t, s, "u")
	set(t, rdb, p.ID, "desired", "stop")
	fill(t, rdb)
	_, err := tryClaim(ctx(t), s, lease(p, "w"), tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrEnded)
	require.Equal(t, tasks.Stopped, get(t, s, p.ID).State)
}
