package store_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const feedKey = "{roomcast}:feed"

func feed(t testing.TB, s *store.Store, after string) tasks.FeedPart {
	t.Helper()
	part, err := s.Feed(ctx(t), after)
	require.NoError(t, err)
	return part
}

func TestTheFeedTellsWhatHappensToAllPushes(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	here(t, s, ready("roomy", 99, 0))
	a, b := create(t, s, "a"), create(t, s, "b")
	_, err := s.Stop(ctx(t), a.ID)
	require.NoError(t, err)

	part := feed(t, s, "0-0")
	require.True(t, part.Whole)
	assert.Len(t, part.Run, 40)
	type told struct {
		push  string
		state tasks.State
	}
	var all []told
	for _, e := range part.Events {
		assert.Equal(t, tasks.EventState, e.Type)
		assert.WithinDuration(t, time.Now(), e.At, patience)
		all = append(all, told{e.Push, e.State})
	}
	assert.Equal(t, []told{{a.ID, tasks.Queued}, {b.ID, tasks.Queued}, {a.ID, tasks.Stopped}}, all)

	rest := feed(t, s, part.Events[1].ID)
	assert.True(t, rest.Whole)
	assert.Equal(t, part.Events[2:], rest.Events)
	assert.Equal(t, tasks.FeedPart{Run: part.Run, Whole: true}, feed(t, s, part.Events[2].ID))
}

func TestTheFeedIsReadWholeHoweverLong(t *testing.T) {
	for _, n := range []int{999, 1000, 1001, 2500} {
		t.Run(strconv.Itoa(n)+" entries", func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			here(t, s, ready("roomy", 99, 0))
			pipe := rdb.Pipeline()
			for range n {
				pipe.XAdd(ctx(t), &redis.XAddArgs{Stream: feedKey, Values: []string{"push", "p", "type", "state"}})
			}
			_, err := pipe.Exec(ctx(t))
			require.NoError(t, err)
			part := feed(t, s, "0-0")
			require.Len(t, part.Events, n)
			for i := 1; i < n; i++ {
				require.NotEqual(t, part.Events[i-1].ID, part.Events[i].ID)
			}
			require.Len(t, feed(t, s, part.Events[0].ID).Events, n-1)
		})
	}
}

func TestAFeedThatLacksTheEntryIsNotWhole(t *testing.T) {
	for _, tt := range []struct {
		name string
		lose func(rdb redis.UniversalClient, last string) error
	}{
		{"trimmed", func(rdb redis.UniversalClient, _ string) error {
			return rdb.XTrimMaxLen(context.Background(), feedKey, 0).Err()
		}},
		{"flushed", func(rdb redis.UniversalClient, _ string) error { return rdb.FlushAll(context.Background()).Err() }},
		{"only that entry", func(rdb redis.UniversalClient, last string) error {
			return rdb.XDel(context.Background(), feedKey, last).Err()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			here(t, s, ready("roomy", 99, 0))
			create(t, s, "a")
			last := feed(t, s, "0-0").Events[0].ID
			require.NoError(t, tt.lose(rdb, last))
			assert.False(t, feed(t, s, last).Whole)
			ms, _, _ := strings.Cut(last, "-")
			require.Eventually(t, func() bool { // or an entry of a flushed Redis may have the same id
				return strconv.FormatInt(rdb.Time(ctx(t)).Val().UnixMilli(), 10) > ms
			}, patience, time.Millisecond)
			create(t, s, "b")
			part := feed(t, s, last)
			assert.False(t, part.Whole)
			assert.Empty(t, part.Events)
		})
	}
}

// As many entries as Redis trims at once, all older than the feed keeps them.
func TestWhoHasReadAllOfAQuietFeedMissesNothing(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	old := rdb.Time(ctx(t)).Val().Add(-11 * time.Minute).UnixMilli()
	var last string
	for n := range 200 {
		last = strconv.FormatInt(old, 10) + "-" + strconv.Itoa(n+1)
		require.NoError(t, rdb.XAdd(ctx(t), &redis.XAddArgs{Stream: feedKey, ID: last, Values: []string{"push", "p", "type", "plan"}}).Err())
	}
	create(t, s, "a") // two events: it waits for a worker
	part := feed(t, s, last)
	assert.True(t, part.Whole)
	assert.Len(t, part.Events, 2)
	assert.Less(t, rdb.XLen(ctx(t), feedKey).Val(), int64(200), "the others are trimmed")
}

func TestARestartedRedisHasAnotherRun(t *testing.T) {
	r := redistest.New(t, redistest.Config{AppendOnly: true})
	s := store.New(r.Client(t), store.Config{})
	create(t, s, "a")
	before := feed(t, s, "0-0")
	require.NoError(t, r.Restart())
	after := feed(t, store.New(r.Client(t), store.Config{}), before.Events[0].ID)
	assert.True(t, after.Whole)
	assert.NotEqual(t, before.Run, after.Run)
}

func TestWhoAwaitsTheFeedIsWokenByAnEvent(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	here(t, s, ready("roomy", 99, 0))
	require.NoError(t, s.AwaitFeed(ctx(t), "0-0", time.Millisecond), "nothing comes")
	woken := make(chan error, 1)
	go func() { woken <- s.AwaitFeed(ctx(t), "0-0", patience/2) }()
	create(t, s, "a")
	start := time.Now()
	require.NoError(t, <-woken)
	assert.Less(t, time.Since(start), patience/4)
}

func TestPushesAreReadTogether(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	here(t, s, ready("roomy", 99, 0))
	a, b, c := create(t, s, "a"), create(t, s, "b"), create(t, s, "c")
	_, err := s.Stop(ctx(t), b.ID)
	require.NoError(t, err)
	active, err := s.Active(ctx(t))
	require.NoError(t, err)
	assert.Equal(t, []tasks.Push{get(t, s, c.ID), get(t, s, a.ID)}, active)
	some, err := s.Some(ctx(t), []string{b.ID, newID(t), a.ID})
	require.NoError(t, err)
	assert.Equal(t, []tasks.Push{get(t, s, b.ID), get(t, s, a.ID)}, some)
	none, err := s.Some(ctx(t), nil)
	require.NoError(t, err)
	assert.Empty(t, none)
}

func TestAnEventIsNotDearerInALongFeed(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	create(t, s, "first")
	require.NoError(t, rdb.ConfigResetStat(ctx(t)).Err())
	create(t, s, "second")
	stats, err := rdb.Info(ctx(t), "commandstats").Result()
	require.NoError(t, err)
	require.Contains(t, stats, "cmdstat_xadd")
	require.NotContains(t, stats, "cmdstat_xrevrange", "nothing is older than ten minutes, and Redis would look at all to find that")
}
