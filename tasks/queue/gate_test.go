package queue_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

func TestAServerWithoutRoomLeavesTasksToOthersAndWhatGoesOnIsFirst(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	for _, id := range []string{"new1", "new2"} {
		require.NoError(t, q.Enqueue(t.Context(), task(id, 1), false))
	}
	require.NoError(t, q.Enqueue(t.Context(), task("old", 2), true))
	var resumes, news atomic.Bool
	asked := make(chan struct{}, 100)
	taken := make(chan tasks.Task, 8)
	start(t, rdb, queue.Config{
		Slots: 1, // one after the other
		Takes: func(resume bool) bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			if resume {
				return resumes.Load()
			}
			return news.Load()
		},
		Handler: func(_ context.Context, got tasks.Task) error {
			taken <- got
			return nil
		},
	})
	for range 10 {
		receive(t, asked)
	}
	require.Empty(t, taken)
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	info, err := inspector.GetQueueInfo(queue.QueuePush)
	require.NoError(t, err)
	require.Equal(t, 2, info.Pending, "they keep their place")
	resumes.Store(true)
	got := receive(t, taken)
	require.Equal(t, "old", got.ID)
	require.True(t, got.GoesOn)
	for range 10 {
		receive(t, asked)
	}
	require.Empty(t, taken)
	news.Store(true)
	for _, id := range []string{"new1", "new2"} {
		got := receive(t, taken)
		require.Equal(t, id, got.ID)
		require.False(t, got.GoesOn)
	}
	require.Eventually(t, func() bool {
		info, err = inspector.GetQueueInfo(queue.QueuePush)
		return err == nil && info.Pending == 0
	}, patience, 20*time.Millisecond)
}

// wants is what a worker wants of a queue, and else takes nothing.
type wants struct {
	resume      bool
	want        chan tasks.Task
	takes, lost chan tasks.Task // what it got, what was missing
}

func startWanting(t *testing.T, rdb redisconn.Client, resume bool, cfg queue.Config) *wants {
	t.Helper()
	w := &wants{resume: resume, want: make(chan tasks.Task, 1), takes: make(chan tasks.Task, 8), lost: make(chan tasks.Task, 8)}
	done := make(chan struct{})
	cfg.Takes, cfg.Wanted, cfg.Missing = func(bool) bool { return false }, w.wanted, func(t tasks.Task) { w.lost <- t }
	cfg.Handler = func(_ context.Context, got tasks.Task) error {
		w.takes <- got
		<-done
		return nil
	}
	s := queue.NewServer(rdb, cfg)
	require.NoError(t, s.Start())
	t.Cleanup(func() { close(done); s.Shutdown() })
	return w
}

func (w *wants) wanted(resume bool) (t tasks.Task, wanted bool) {
	if resume == w.resume {
		select {
		case t = <-w.want:
			return t, true
		default:
		}
	}
	return t, false
}

func TestATaskThatAWorkerWantsIsTakenByItAndIsActiveWhereverItWaited(t *testing.T) {
	for name, c := range map[string]struct{ resume, refused bool }{
		"a new one":                        {false, false},
		"a new one that was refused":       {false, true},
		"one that goes on":                 {true, false},
		"one that goes on and was refused": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			rdb := server.Fresh(t)
			inspector := asynq.NewInspectorFromRedisClient(rdb)
			name := map[bool]string{true: queue.QueueResume, false: queue.QueuePush}[c.resume]
			is := func(id string, want asynq.TaskState) func() bool {
				return func() bool {
					info, err := inspector.GetTaskInfo(name, queue.TaskID(id, 1))
					return err == nil && info.State == want
				}
			}
			if c.refused {
				enqueue(t, rdb, task("wanted", 1), c.resume)
				refuses := queue.NewServer(rdb, queue.Config{Slots: 1, Handler: func(context.Context, tasks.Task) error { return tasks.ErrKept }, Log: slog.New(slog.DiscardHandler)})
				require.NoError(t, refuses.Start())
				require.Eventually(t, is("wanted", asynq.TaskStateRetry), patience, time.Millisecond)
				refuses.Shutdown()
			}
			for _, id := range []string{"before", "wanted"} {
				enqueue(t, rdb, task(id, 1), c.resume)
			}
			cancelled := make(chan tasks.Task, 8)
			w := startWanting(t, rdb, c.resume, queue.Config{Slots: 2, OnCancel: func(_ context.Context, got tasks.Task) { cancelled <- got }})
			w.want <- task("wanted", 1)
			got := receive(t, w.takes)
			require.Equal(t, "wanted", got.ID)
			require.Equal(t, c.resume, got.GoesOn)
			require.True(t, is("wanted", asynq.TaskStateActive)(), "the monitor shows that it runs")
			require.True(t, is("before", asynq.TaskStatePending)())
			leased, err := rdb.ZRange(t.Context(), "asynq:{"+name+"}:lease", 0, -1).Result()
			require.NoError(t, err)
			require.Equal(t, []string{"wanted.1"}, leased)
			require.Eventually(t, func() bool { // who does not listen yet misses it
				require.NoError(t, inspector.CancelProcessing("wanted.1"))
				return len(cancelled) > 0
			}, patience, 100*time.Millisecond)
			require.Equal(t, "wanted", receive(t, cancelled).ID)
			require.Empty(t, w.lost)
		})
	}
}

func TestATaskThatAWorkerWantsIsMissingUnlessItWaitsInAQueueThatIsNotPaused(t *testing.T) {
	rdb := server.Fresh(t)
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	enqueue(t, rdb, task("a", 1), false)
	w := startWanting(t, rdb, false, queue.Config{Slots: 3})
	require.NoError(t, inspector.PauseQueue(queue.QueuePush))
	w.want <- task("a", 1)
	require.Equal(t, "a", receive(t, w.lost).ID, "its queue is paused")
	require.NoError(t, inspector.UnpauseQueue(queue.QueuePush))
	w.want <- task("a", 2)
	require.Equal(t, task("a", 2), receive(t, w.lost), "another attempt is none of it")
	w.want <- task("a", 1)
	require.Equal(t, "a", receive(t, w.takes).ID)
	w.want <- task("a", 1)
	require.Equal(t, "a", receive(t, w.lost).ID, "it is active")
	require.Empty(t, w.takes)
}

func TestATaskWhoseLeaseIsOverStaysItsServersForAsLongAsAnOutageMayBe(t *testing.T) {
	for name, c := range map[string]struct {
		outage  time.Duration // asynq itself waits for 30 s
		brought bool
	}{
		"cut off for less": {outage: time.Minute},
		"gone":             {outage: 5 * time.Second, brought: true},
	} {
		t.Run(name, func(t *testing.T) {
			rdb := server.Fresh(t)
			enqueue(t, rdb, task("a", 1), true)
			active := time.Now().Add(-45 * time.Second).Unix()
			require.NoError(t, rdb.RPopLPush(t.Context(), "asynq:{resume}:pending", "asynq:{resume}:active").Err())
			require.NoError(t, rdb.ZAdd(t.Context(), "asynq:{resume}:lease", redis.Z{Member: "a.1", Score: float64(active)}).Err())
			require.NoError(t, rdb.ScriptFlush(t.Context()).Err(), "Redis has started anew")
			taken := make(chan tasks.Task, 8)
			start(t, rdb, queue.Config{Outage: c.outage, Handler: gives(taken)}) // it looks when it starts
			if c.brought {
				require.Equal(t, "a", receive(t, taken).ID)
				return
			}
			enqueue(t, rdb, task("b", 1), true)
			require.Equal(t, "b", receive(t, taken).ID)
			<-time.After(2 * time.Second) // what is brought again waits for less
			require.Empty(t, taken)
		})
	}
}

func TestATaskWakesAServerThatWaits(t *testing.T) {
	for scheme, begin := range map[string]func(testing.TB) *redistest.Server{
		"redis":         func(t testing.TB) *redistest.Server { return redistest.New(t, redistest.Config{}) },
		"redis+cluster": redistest.NewCluster,
	} {
		t.Run(scheme, func(t *testing.T) {
			node := begin(t)
			rdb, err := redisconn.New(redisconn.Config{URL: scheme + "://" + node.Addr()})
			require.NoError(t, err)
			t.Cleanup(func() { _ = rdb.Close() })
			taken := make(chan tasks.Task)
			start(t, rdb, queue.Config{Handler: gives(taken)})
			q, admin := queue.New(rdb), node.Client(t)
			for i := range 5 {
				require.Eventually(t, func() bool {
					info, err := admin.Info(t.Context(), "clients").Result()
					return err == nil && strings.Contains(info, "blocked_clients:1")
				}, patience, time.Millisecond, "it waits in Redis")
				id := "p" + strconv.Itoa(i)
				require.NoError(t, q.Enqueue(t.Context(), task(id, 1), false))
				require.Equal(t, id, receive(t, taken).ID)
			}
		})
	}
}

// gives is a handler that gives what it takes to a channel.
func gives(taken chan<- tasks.Task) func(context.Context, tasks.Task) error {
	return func(_ context.Context, got tasks.Task) error {
		taken <- got
		return nil
	}
}

func TestATaskIsFoundThatWokeNobody(t *testing.T) {
	rdb := server.Fresh(t)
	taken := make(chan tasks.Task)
	start(t, rdb, queue.Config{Handler: gives(taken)})
	deaf := queue.New(deafened{rdb})
	for _, id := range []string{"p1", "p2"} {
		require.NoError(t, deaf.Enqueue(t.Context(), task(id, 1), false))
		require.Equal(t, id, receive(t, taken).ID)
	}
}

// deafened is a client that wakes nobody.
type deafened struct{ redisconn.Client }

func (d deafened) Pipelined(ctx context.Context, f func(redis.Pipeliner) error) ([]redis.Cmder, error) {
	return d.Client.Pipelined(ctx, func(p redis.Pipeliner) error { return f(mute{p}) })
}

// mute is a pipeline without what servers are woken with.
type mute struct{ redis.Pipeliner }

func (mute) LPush(ctx context.Context, _ string, _ ...any) *redis.IntCmd { return redis.NewIntCmd(ctx) }

// ofNoWaiting is a client whose account may not wait in Redis.
func ofNoWaiting(t *testing.T) redisconn.Client {
	t.Helper()
	node := redistest.New(t, redistest.Config{})
	require.NoError(t, node.Client(t).Do(t.Context(), "acl", "setuser", "app", "on", ">pw", "allkeys", "allchannels", "+@all", "-@blocking").Err())
	rdb, err := redisconn.New(redisconn.Config{URL: "redis://app:pw@" + node.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func TestAServerThatDoesNotWaitInRedisLooksTenTimesASecondAtMost(t *testing.T) {
	for name, c := range map[string]struct {
		client func(*testing.T) redisconn.Client
		takes  bool
	}{
		"it has no room":           {func(t *testing.T) redisconn.Client { return server.Fresh(t) }, false},
		"its account may not wait": {ofNoWaiting, true},
	} {
		t.Run(name, func(t *testing.T) {
			rdb, looks := c.client(t), make(chan time.Time, 100)
			start(t, rdb, queue.Config{
				Takes: func(resume bool) bool {
					if resume {
						select {
						case looks <- time.Now():
						default:
						}
					}
					return c.takes
				},
				Handler: func(context.Context, tasks.Task) error { return nil },
			})
			begin := receive(t, looks)
			var end time.Time
			for range 10 { // twice in each look: before it, and in it
				end = receive(t, looks)
			}
			require.GreaterOrEqual(t, end.Sub(begin), 400*time.Millisecond)
		})
	}
}

func TestAServerThatTakesNoNewPushesLeavesWhatWakesForThemToOthers(t *testing.T) {
	rdb := server.Fresh(t)
	wakes := func() int64 { return rdb.LLen(t.Context(), "{roomcast}:wake:push").Val() }
	require.NoError(t, rdb.LPush(t.Context(), "{roomcast}:wake:push", 1).Err())
	var news atomic.Bool
	looks := make(chan struct{}, 100)
	start(t, rdb, queue.Config{
		Takes: func(resume bool) bool {
			if resume {
				select {
				case looks <- struct{}{}:
				default:
				}
			}
			return resume || news.Load()
		},
		Handler: func(context.Context, tasks.Task) error { return nil },
	})
	for range 10 {
		receive(t, looks)
	}
	require.EqualValues(t, 1, wakes())
	news.Store(true)
	require.Eventually(t, func() bool { return wakes() == 0 }, patience, 10*time.Millisecond)
}

func TestAServerWorksWhoseAccountMayNotWait(t *testing.T) {
	rdb := ofNoWaiting(t)
	taken := make(chan tasks.Task)
	start(t, rdb, queue.Config{Handler: gives(taken)})
	q := queue.New(rdb)
	for _, id := range []string{"p1", "p2"} {
		require.NoError(t, q.Enqueue(t.Context(), task(id, 1), false))
		require.Equal(t, id, receive(t, taken).ID)
	}
}

func TestWhatWakesServersDoesNotStayWhereNoneIs(t *testing.T) {
	rdb := server.Fresh(t)
	q := queue.New(rdb)
	for i := range 200 {
		require.NoError(t, q.Enqueue(t.Context(), task("p"+strconv.Itoa(i), 1), false))
	}
	n, err := rdb.LLen(t.Context(), "{roomcast}:wake:push").Result()
	require.NoError(t, err)
	require.LessOrEqual(t, n, int64(64))
	require.Eventually(t, func() bool {
		n, err := rdb.Exists(t.Context(), "{roomcast}:wake:push").Result()
		return err == nil && n == 0
	}, patience, 10*time.Millisecond)
}
