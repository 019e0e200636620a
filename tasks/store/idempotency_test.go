package store_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestHundredIdenticalCreatesAreOnePush(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	var ids, made sync.Map
	var wg sync.WaitGroup
	for range 100 {
		n := newPush(t, "u")
		n.IdempotencyKey, n.BodyDigests = "key", []string{"digest"}
		wg.Go(func() {
			p, created, err := s.Create(ctx(t), n)
			if err != nil {
				t.Error(err)
			}
			ids.Store(p.ID, true)
			if created {
				made.Store(p.ID, true)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, size(&ids))
	require.Equal(t, 1, size(&made))
	page, err := s.List(ctx(t), tasks.Filter{Limit: 200})
	require.NoError(t, err)
	require.Len(t, page.Pushes, 1)
}

func TestIdempotencyKey(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	with := func(digest string) tasks.NewPush {
		n := newPush(t, "u")
		n.IdempotencyKey, n.BodyDigests = "canary-key", []string{digest}
		return n
	}
	first, _, err := s.Create(ctx(t), with("a"))
	require.NoError(t, err)

	_, _, err = s.Create(ctx(t), with("b"))
	var reused *tasks.Error
	require.ErrorAs(t, err, &reused)
	require.Equal(t, tasks.CodeIdempotencyReused, reused.Code, "another body")
	require.Equal(t, first.ID, reused.Holder)

	_, err = s.Stop(ctx(t), first.ID)
	require.NoError(t, err)
	again, created, err := s.Create(ctx(t), with("a"))
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, get(t, s, first.ID), again, "the same push, though it has ended")

	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+first.ID).Err())
	_, created, err = s.Create(ctx(t), with("a"))
	require.NoError(t, err)
	require.True(t, created, "the record of the first is gone")

	keys := rdb.Keys(ctx(t), "*idem*").Val()
	require.Len(t, keys, 1)
	require.NotContains(t, keys[0], "canary")
	require.InDelta(t, 24*time.Hour, rdb.PTTL(ctx(t), keys[0]).Val(), float64(time.Minute))
}

func TestABodyIsKnownByAnyOfItsDigests(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	with := func(digests ...string) tasks.NewPush {
		n := newPush(t, "u")
		n.IdempotencyKey, n.BodyDigests = "key", digests
		return n
	}
	_, found, err := s.Repeated(ctx(t), "key", []string{"old"})
	require.NoError(t, err)
	require.False(t, found)
	first, _, err := s.Create(ctx(t), with("old"))
	require.NoError(t, err)
	for _, digests := range [][]string{{"old"}, {"new", "old"}, {"old", "new"}} {
		again, created, err := s.Create(ctx(t), with(digests...))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first.ID, again.ID)
		again, found, err := s.Repeated(ctx(t), "key", digests)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, get(t, s, first.ID), again)
	}
	for _, digests := range [][]string{{"new"}, {"ol", "d"}} {
		_, _, err = s.Create(ctx(t), with(digests...))
		require.Equal(t, tasks.CodeIdempotencyReused, tasks.CodeOf(err))
		_, found, err = s.Repeated(ctx(t), "key", digests)
		require.Equal(t, tasks.CodeIdempotencyReused, tasks.CodeOf(err))
		require.False(t, found)
	}
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+first.ID).Err())
	_, found, err = s.Repeated(ctx(t), "key", []string{"old"})
	require.NoError(t, err)
	require.False(t, found, "its record is gone")
}
