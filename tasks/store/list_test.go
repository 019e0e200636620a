package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func z(score float64, member string) redis.Z { return redis.Z{Score: score, Member: member} }

func redisServer(t *testing.T) *redistest.Server {
	t.Helper()
	return redistest.New(t, redistest.Config{AppendOnly: true})
}

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	c, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return c, cancel
}

// all follows the cursors to the last page.
func all(t *testing.T, s *store.Store, f tasks.Filter) (ids []string) {
	t.Helper()
	for {
		page, err := s.List(ctx(t), f)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Pushes), f.Limit)
		for _, p := range page.Pushes {
			ids = append(ids, p.ID)
		}
		if page.NextCursor == "" {
			return ids
		}
		f.Cursor = page.NextCursor
	}
}

func TestListSelectsNewestFirst(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	var ids []string
	for i := range 30 {
		n := newPush(t, fmt.Sprintf("u%d", i%3))
		n.Push.Spec.SDKAppID = uint32(1000 + i)
		n.Push.Spec.RoomID = fmt.Sprintf("room%d", i%2)
		p, _, err := s.Create(ctx(t), n)
		require.NoError(t, err)
		ids = append([]string{p.ID}, ids...)
		if i%5 == 0 {
			_, err := s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
		}
	}
	pick := func(keep func(i int) bool) (picked []string) {
		for at, id := range ids {
			if keep(29 - at) {
				picked = append(picked, id)
			}
		}
		return picked
	}
	for name, c := range map[string]struct {
		filter tasks.Filter
		want   []string
	}{
		"all":                 {tasks.Filter{}, ids},
		"one room":            {tasks.Filter{RoomID: "room1"}, pick(func(i int) bool { return i%2 == 1 })},
		"one user":            {tasks.Filter{UserID: "u2"}, pick(func(i int) bool { return i%3 == 2 })},
		"one app":             {tasks.Filter{SDKAppID: 1007}, pick(func(i int) bool { return i == 7 })},
		"queued":              {tasks.Filter{States: []tasks.State{tasks.Queued}}, pick(func(i int) bool { return i%5 != 0 })},
		"stopped":             {tasks.Filter{States: []tasks.State{tasks.Stopped}}, pick(func(i int) bool { return i%5 == 0 })},
		"stopped in one room": {tasks.Filter{States: []tasks.State{tasks.Stopped}, RoomID: "room0"}, pick(func(i int) bool { return i%10 == 0 })},
		"a user of a room":    {tasks.Filter{UserID: "u1", RoomID: "room1"}, pick(func(i int) bool { return i%6 == 1 })},
		"several states":      {tasks.Filter{States: []tasks.State{tasks.Queued, tasks.Stopped}}, ids},
		"what has not ended":  {tasks.Filter{States: tasks.Active()}, pick(func(i int) bool { return i%5 != 0 })},
		"what has ended":      {tasks.Filter{States: []tasks.State{tasks.Completed, tasks.Failed, tasks.Stopped}}, pick(func(i int) bool { return i%5 == 0 })},
		"none":                {tasks.Filter{States: []tasks.State{tasks.Failed}}, nil},
		"an unknown room":     {tasks.Filter{RoomID: "nowhere"}, nil},
	} {
		for _, limit := range []int{1, 7, 30, 200} {
			t.Run(fmt.Sprintf("%s by %d", name, limit), func(t *testing.T) {
				c.filter.Limit = limit
				require.Equal(t, c.want, all(t, s, c.filter))
			})
		}
	}
}

func TestListOfMoreThanOneBatchIsWhole(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	const n = 450
	for i := range n {
		create(t, s, fmt.Sprintf("u%d", i))
	}
	require.Len(t, all(t, s, tasks.Filter{Limit: 200}), n)
	require.Len(t, all(t, s, tasks.Filter{Limit: 1, UserID: "u0", RoomID: "room"}), 1)
	page, err := s.List(ctx(t), tasks.Filter{})
	require.NoError(t, err)
	require.Len(t, page.Pushes, 1, "a limit of 0 is 1")
	page, err = s.List(ctx(t), tasks.Filter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, page.Pushes, 200)
}

func TestListRefusesAForeignCursor(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	for _, cursor := range []string{"!", "YWJj", "W1t7"} {
		_, err := s.List(ctx(t), tasks.Filter{Limit: 1, Cursor: cursor})
		require.Equal(t, tasks.CodeInvalidRequest, tasks.CodeOf(err))
	}
}

func TestExpiredRecordsLeaveTheIndexes(t *testing.T) {
	s, rdb := fresh(t, store.Config{Retention: short})
	for i := range 5 {
		_, err := s.Stop(ctx(t), create(t, s, fmt.Sprintf("u%d", i)).ID)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		keys := rdb.Keys(ctx(t), "*").Val()
		return s.Trim(ctx(t)) == nil && len(keys) == 1 && keys[0] == "{roomcast}:feed"
	}, patience, 5*time.Millisecond, "nothing is left but the feed, which trims itself")
}

func TestOneTrimTakesThousandsOutOfTheIndexes(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for i := range 3000 {
		id := fmt.Sprint(i)
		require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:ended", redis.Z{Member: `["` + id + `","completed","1","r","u"]`}).Err())
		require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:index:all", redis.Z{Member: id}).Err())
	}
	require.NoError(t, s.Trim(ctx(t)))
	require.Zero(t, rdb.DBSize(ctx(t)).Val())
}

func TestListDropsIdsWithoutARecord(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+p.ID).Err())
	require.Empty(t, all(t, s, tasks.Filter{Limit: 10}))
	require.Zero(t, rdb.ZCard(ctx(t), "{roomcast}:index:all").Val())
}

func TestSweepTakesOverOnceAndOnlyWhatHasExpired(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: short, Grace: time.Hour})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing})
	seen := expired(t, s, 1)[0]
	require.Equal(t, p.ID, seen.Push.ID)
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing})
	_, err := s.Takeover(ctx(t), seen)
	require.ErrorIs(t, err, tasks.ErrHeld, "it was renewed since")

	seen = expired(t, s, 1)[0]
	require.EqualValues(t, 2, takeover(t, s, seen))
	_, err = s.Takeover(ctx(t), seen)
	require.ErrorIs(t, err, tasks.ErrHeld, "another sweeper was first")
	expired(t, s, 0)
	require.Equal(t, tasks.Queued, get(t, s, p.ID).State)
}

func TestSweepEndsWhatIsToStopAndNeverQueuesIt(t *testing.T) {
	s, rdb := fresh(t, store.Config{Lease: short})
	p := create(t, s, "u")
	claim(t, s, p, "w1")
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	taken, err := s.Takeover(ctx(t), expired(t, s, 1)[0])
	require.NoError(t, err)
	require.Equal(t, tasks.Taken{State: tasks.Stopped}, taken)
	require.Equal(t, []tasks.State{tasks.Queued, tasks.Starting, tasks.Stopping, tasks.Stopped}, states(t, s, p.ID))
	requireEnded(t, rdb, p)
}

func TestSweepOfAQueuedPush(t *testing.T) {
	s, rdb := fresh(t, store.Config{Grace: short})
	p := create(t, s, "u")
	seen := expired(t, s, 1)[0]
	require.NoError(t, s.Defer(ctx(t), seen, time.Hour))
	require.ErrorIs(t, s.Defer(ctx(t), seen, time.Hour), tasks.ErrHeld)
	expired(t, s, 0)
	endAt(t, rdb, p.ID, 5)
	require.EqualValues(t, 2, takeover(t, s, expired(t, s, 1)[0]), "its task was lost: a new attempt gets a new one")
	claim(t, s, get(t, s, p.ID), "w")
	require.ErrorIs(t, s.Defer(ctx(t), tasks.Expired{ID: p.ID}, time.Hour), tasks.ErrHeld)
}

func TestSweepForgetsLeasesWithoutAPush(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for _, key := range []string{"{roomcast}:live", "{roomcast}:queued"} {
		id := newID(t)
		require.NoError(t, rdb.ZAdd(ctx(t), key, z(1, id)).Err())
		require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:index:active", z(0, id)).Err())
	}
	expired(t, s, 0)
	require.Zero(t, rdb.DBSize(ctx(t)).Val(), "nor does it count as one that needs a slot")
}

func TestStoreWorksOnAClusterAndUnderANarrowACL(t *testing.T) {
	cluster := redistest.NewCluster(t)
	admin := cluster.Client(t)
	require.NoError(t, admin.Do(ctx(t), "acl", "setuser", "app", "on", ">pw", "resetchannels",
		"resetkeys", "~{roomcast}:*", "+@all", "-@dangerous").Err())
	for name, url := range map[string]string{
		"a cluster":                        "redis+cluster://" + cluster.Addr(),
		"an account without PUBLISH, keys": "redis+cluster://app:pw@" + cluster.Addr(),
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, admin.FlushAll(ctx(t)).Err())
			rdb, err := redisconn.New(redisconn.Config{URL: url})
			require.NoError(t, err)
			t.Cleanup(func() { _ = rdb.Close() })
			s := store.New(rdb, store.Config{Lease: short})
			p := told(t, s, everything)
			_, _, err = s.Create(ctx(t), newPush(t, "u"))
			require.Equal(t, tasks.CodeUserBusy, tasks.CodeOf(err))
			claim(t, s, p, "w")
			next := takeover(t, s, expired(t, s, 1)[0])
			l := claim(t, s, tasks.Push{ID: p.ID, Epoch: next}, "w")
			require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
			_, err = s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
			next, err = s.Release(ctx(t), l, tasks.LastReport{})
			require.NoError(t, err)
			require.Zero(t, next)
			lines, _ := outbox(t, s, p.ID)
			require.Equal(t, []string{"push.started publishing", "push.stopped stopped"}, lines)
			require.Len(t, all(t, s, tasks.Filter{Limit: 10}), 1)
			require.NoError(t, s.Trim(ctx(t)))
			require.NoError(t, s.AwaitFeed(ctx(t), "0-0", time.Second))
			require.NotEmpty(t, feed(t, s, "0-0").Events)
		})
	}
}

func TestActiveListsWhatHasNotEnded(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	pushes, err := s.Active(ctx(t))
	require.NoError(t, err)
	require.Empty(t, pushes)
	first, second, ended := create(t, s, "u1"), create(t, s, "u2"), create(t, s, "u3")
	_, err = s.Stop(ctx(t), ended.ID)
	require.NoError(t, err)
	pushes, err = s.Active(ctx(t))
	require.NoError(t, err)
	require.Equal(t, []string{second.ID, first.ID}, []string{pushes[0].ID, pushes[1].ID})
	require.Len(t, pushes, 2)
}

// BenchmarkListAHundred reads a page of a hundred of a thousand pushes.
func BenchmarkListAHundred(b *testing.B) {
	s, _ := fresh(b, store.Config{})
	for i := range 1000 {
		create(b, s, fmt.Sprintf("u%d", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		page, err := s.List(ctx(b), tasks.Filter{Limit: 100})
		if err != nil || len(page.Pushes) != 100 {
			b.Fatal(len(page.Pushes), err)
		}
	}
}
