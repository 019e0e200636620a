package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestACensusCountsPushesByStateAndTrouble(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	begin := time.Now()
	since := begin.Add(-time.Minute)
	for _, user := range []string{"a", "b", "c"} {
		l := claim(t, s, create(t, s, user), "w1")
		renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing})
		if user != "a" {
			renew(t, s, tasks.Renewal{Lease: l, State: tasks.Reconnecting, Trouble: &tasks.Trouble{
				Side: tasks.SideRoom, Code: tasks.CodeRoomUnavailable, Since: since,
			}})
		}
		if user == "c" {
			require.NoError(t, finish(t, s, l, tasks.End{State: tasks.Failed, Failure: &tasks.Failure{Code: "x"}}))
		}
	}
	waiting := create(t, s, "d")
	set(t, rdb, waiting.ID, "waiting", string(tasks.WaitingForWorker), "waiting_since", time.Now().Add(-5*time.Second).UnixMilli())
	odd := create(t, s, "e")
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+odd.ID).Err())
	require.NoError(t, rdb.Set(ctx(t), "{roomcast}:push:"+odd.ID, "no hash", 0).Err())

	c, err := s.Census(ctx(t))
	took := time.Since(begin)
	require.NoError(t, err)
	require.Equal(t, map[tasks.State]int{
		tasks.Queued: 1, tasks.Starting: 0, tasks.Publishing: 1, tasks.Reconnecting: 1, tasks.Stopping: 0,
		tasks.Completed: 0, tasks.Failed: 1, tasks.Stopped: 0,
	}, c.Pushes)
	require.Equal(t, 1, c.Workers)
	require.Len(t, c.Troubles, 2, "that of one that has ended is none of now")
	room := c.Troubles[tasks.TroubleKind{Side: tasks.SideRoom, Code: tasks.CodeRoomUnavailable}]
	require.Equal(t, 1, room.Pushes)
	require.InDelta(t, time.Minute, room.Oldest, float64(5*time.Second+took))
	queue := c.Troubles[tasks.TroubleKind{Side: tasks.SideWorker, Code: tasks.Code(tasks.WaitingForWorker)}]
	require.Equal(t, 1, queue.Pushes)
	require.InDelta(t, 5*time.Second, queue.Oldest, float64(3*time.Second+took))
}

func TestAPushKnowsWhetherTheWorkerBeforeGaveItBack(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: 50 * time.Millisecond})
	p := create(t, s, "a")
	require.False(t, get(t, s, p.ID).Abandoned)
	next, err := s.Release(ctx(t), claim(t, s, p, "w1"), tasks.LastReport{Progress: progress(time.Second)})
	require.NoError(t, err)
	require.False(t, get(t, s, p.ID).Abandoned)
	p.Epoch = next
	claim(t, s, p, "w2")
	takeover(t, s, expired(t, s, 1)[0])
	require.True(t, get(t, s, p.ID).Abandoned)
}

func TestACensusFailsWhenRedisIsAway(t *testing.T) {
	server := redisServer(t)
	s := store.New(server.Client(t), store.Config{})
	server.Kill()
	_, err := s.Census(ctx(t))
	require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(err))
}
