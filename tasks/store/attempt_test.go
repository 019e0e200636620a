package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func set(t testing.TB, rdb redisconn.Client, id string, fields ...any) {
	t.Helper()
	require.NoError(t, rdb.HSet(ctx(t), "{roomcast}:push:"+id, fields...).Err())
}

func TestClaimGivesThePushAndItsEnvelope(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	got, err := s.Claim(ctx(t), lease(p, "w1"))
	require.NoError(t, err)
	require.Equal(t, "sealed", got.Envelope)
	require.Equal(t, tasks.Starting, got.Push.State)
	require.Equal(t, "w1", got.Push.Worker)
	require.Equal(t, p.Spec, got.Push.Spec)
	again, err := s.Claim(ctx(t), lease(p, "w1"))
	require.NoError(t, err, "the reply of the first was lost")
	require.Equal(t, got, again)
	require.Equal(t, []tasks.State{tasks.Queued, tasks.Starting}, states(t, s, p.ID))
}

func TestClaimRefuses(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for name, c := range map[string]struct {
		prepare func(t *testing.T, p tasks.Push)
		epoch   int64
		want    error
	}{
		"a push that another worker has": {func(t *testing.T, p tasks.Push) { claim(t, s, p, "w2") }, 1, tasks.ErrHeld},
		"a push it has and has renewed": {func(t *testing.T, p tasks.Push) {
			l := claim(t, s, p, "w1")
			set(t, rdb, p.ID, "claimed_at", "1")
			renew(t, s, tasks.Renewal{Lease: l, State: tasks.Starting})
		}, 1, tasks.ErrHeld},
		"an attempt before the record's": {func(t *testing.T, p tasks.Push) { set(t, rdb, p.ID, "epoch", "2") }, 1, tasks.ErrStale},
		"a stopped push": {func(t *testing.T, p tasks.Push) {
			_, err := s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
		}, 1, tasks.ErrEnded},
		"a push that another has and that is to stop": {func(t *testing.T, p tasks.Push) {
			claim(t, s, p, "w2")
			_, err := s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
		}, 1, tasks.ErrHeld},
		"a queued push that is to stop, and ends it": {func(t *testing.T, p tasks.Push) {
			set(t, rdb, p.ID, "desired", "stop")
		}, 1, tasks.ErrEnded},
		"a later attempt of a push that is held": {func(t *testing.T, p tasks.Push) { claim(t, s, p, "w2") }, 2, tasks.ErrHeld},
	} {
		t.Run(name, func(t *testing.T) {
			p := create(t, s, newID(t))
			c.prepare(t, p)
			_, err := s.Claim(ctx(t), tasks.Lease{ID: p.ID, Epoch: c.epoch, Worker: "w1"})
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestClaimOfALaterAttemptRepairsAnOlderRecord(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	got, err := s.Claim(ctx(t), tasks.Lease{ID: p.ID, Epoch: 4, Worker: "w"})
	require.NoError(t, err)
	require.EqualValues(t, 4, got.Push.Epoch)
}

func TestRenewWritesEverythingThatChanged(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	started := time.UnixMilli(1795000000000).UTC()
	r := tasks.Renewal{
		Lease: l, State: tasks.Publishing, Progress: progress(1234 * time.Millisecond), Started: started,
		Source:   &tasks.SourceReport{Kind: "vod", Container: "mov", DurationMs: 60000, Tracks: []tasks.TrackReport{{Type: "video", Codec: "h264", FPS: 29.97}}},
		Plan:     &media.Plan{Video: &media.TrackPlan{Action: media.Copy, Reason: "fits"}},
		Warnings: []tasks.Warning{{Code: "c", Message: "m \"quoted\" ünï"}},
		Events:   []tasks.Event{{At: time.Now(), Type: tasks.EventWarning, Code: "c", Message: "m", Epoch: 1, Seq: 1}},
	}
	require.Equal(t, tasks.Kept, renew(t, s, r))
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Publishing, got.State)
	require.Equal(t, &r.Progress, got.Progress)
	require.Equal(t, started, got.StartedAt)
	require.Equal(t, r.Source, got.Source)
	require.Equal(t, r.Plan, got.Plan)
	require.Equal(t, r.Warnings, got.Warnings)
	raw := rdb.HGetAll(ctx(t), "{roomcast}:push:"+p.ID).Val()
	require.Equal(t, "1234", raw["position_ms"])
	require.Equal(t, "1500", raw["bitrate_kbps"])

	// What is nil is unchanged, and the first start stays.
	r2 := tasks.Renewal{Lease: l, State: tasks.Publishing, Progress: progress(2 * time.Second), Started: started.Add(time.Hour)}
	require.Equal(t, tasks.Kept, renew(t, s, r2))
	got = get(t, s, p.ID)
	require.Equal(t, r.Source, got.Source)
	require.Equal(t, r.Warnings, got.Warnings)
	require.Equal(t, started, got.StartedAt)
	require.Equal(t, 2*time.Second, got.Progress.Position)
}

func TestPushHasNoProgressBeforeItPublishes(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Starting, Progress: progress(0)})
	require.Nil(t, get(t, s, p.ID).Progress)
}

func TestEventsAreStoredOnceByEpochAndSeq(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	event := func(seq int64) tasks.Event {
		return tasks.Event{At: time.Now(), Type: tasks.EventReconnect, Code: "x", Epoch: l.Epoch, Seq: seq}
	}
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Events: []tasks.Event{event(1), event(2)}})
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Events: []tasks.Event{event(1), event(2), event(3)}})
	next, err := s.Release(ctx(t), l, media.Progress{}, []tasks.Event{event(3), event(4)})
	require.NoError(t, err)
	l = claim(t, s, tasks.Push{ID: p.ID, Epoch: next}, "w")
	require.NoError(t, s.Finish(ctx(t), l, tasks.End{State: tasks.Completed, Events: []tasks.Event{event(1)}}))
	events, err := s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	var seen []string
	for _, e := range events {
		if e.Type == tasks.EventReconnect {
			seen = append(seen, fmt.Sprintf("%d.%d", e.Epoch, e.Seq))
		}
	}
	require.Equal(t, []string{"1.1", "1.2", "1.3", "1.4", "2.1"}, seen)
}

func TestStateAnAttemptToldItselfIsNotToldTwice(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Events: []tasks.Event{
		{At: time.Now(), Type: tasks.EventState, State: tasks.Publishing, Seq: 1},
		{At: time.Now(), Type: tasks.EventState, State: tasks.Reconnecting, Seq: 2},
		{At: time.Now(), Type: tasks.EventState, State: tasks.Publishing, Seq: 3},
	}})
	require.Equal(t, []tasks.State{tasks.Queued, tasks.Starting, tasks.Publishing, tasks.Reconnecting, tasks.Publishing}, states(t, s, p.ID))
}

func TestRenewVerdicts(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for name, c := range map[string]struct {
		prepare    func(t *testing.T, p tasks.Push)
		want       tasks.Verdict
		state      tasks.State
		worker     string
		epoch      int64
		noLeaseTTL bool
	}{
		"kept by its owner":       {func(*testing.T, tasks.Push) {}, tasks.Kept, tasks.Publishing, "w", 2, false},
		"lost to a later attempt": {func(t *testing.T, p tasks.Push) { set(t, rdb, p.ID, "epoch", 3) }, tasks.Lost, tasks.Starting, "w", 3, true},
		"lost to another worker":  {func(t *testing.T, p tasks.Push) { set(t, rdb, p.ID, "worker", "x") }, tasks.Lost, tasks.Starting, "x", 2, true},
		"lost when it has ended":  {func(t *testing.T, p tasks.Push) { set(t, rdb, p.ID, "state", "failed") }, tasks.Lost, tasks.Failed, "w", 2, true},
		"repairs an older record": {func(t *testing.T, p tasks.Push) { set(t, rdb, p.ID, "epoch", 1, "worker", "x") }, tasks.Kept, tasks.Publishing, "w", 2, false},
		"repairs an older record that was publishing": {func(t *testing.T, p tasks.Push) {
			set(t, rdb, p.ID, "epoch", 1, "worker", "x", "state", "reconnecting")
		}, tasks.Kept, tasks.Publishing, "w", 2, false},
		"repairs a record that forgot its claim": {func(t *testing.T, p tasks.Push) { set(t, rdb, p.ID, "worker", "", "state", "queued") }, tasks.Kept, tasks.Publishing, "w", 2, false},
		"told to stop, and stays stopping": {func(t *testing.T, p tasks.Push) {
			_, err := s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
		}, tasks.Stop, tasks.Stopping, "w", 2, false},
		"an older record that is to stop is still stopped": {func(t *testing.T, p tasks.Push) {
			_, err := s.Stop(ctx(t), p.ID)
			require.NoError(t, err)
			set(t, rdb, p.ID, "epoch", 1, "worker", "x")
		}, tasks.Stop, tasks.Stopping, "w", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := create(t, s, newID(t))
			p.Epoch = 2
			l := claim(t, s, p, "w")
			c.prepare(t, p)
			require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, p.ID)).Err())
			r := tasks.Renewal{Lease: l, State: tasks.Publishing, Progress: progress(time.Second), Started: time.Now()}
			require.Equal(t, c.want, renew(t, s, r))
			got := get(t, s, p.ID)
			require.Equal(t, c.state, got.State)
			require.Equal(t, c.worker, got.Worker)
			require.Equal(t, c.epoch, got.Epoch)
			extended := rdb.ZScore(ctx(t), "{roomcast}:live", p.ID).Val() > 1
			require.Equal(t, !c.noLeaseTTL, extended)
			require.Equal(t, !c.noLeaseTTL, got.Progress != nil)
		})
	}
}

// TestEveryPairOfStates puts a record into each state and lets the scripts try
// each other one: what comes out is what the table says.
func TestEveryPairOfStates(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	running := map[tasks.State]bool{tasks.Starting: true, tasks.Publishing: true, tasks.Reconnecting: true}
	for _, from := range tasks.States() {
		for _, to := range tasks.States() {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				p := create(t, s, newID(t))
				l := lease(p, "w")
				desired := tasks.DesiredRun
				if from == tasks.Stopping || from == tasks.Stopped {
					desired = tasks.DesiredStop
				}
				set(t, rdb, p.ID, "state", string(from), "worker", "w", "desired", string(desired))
				verdict := renew(t, s, tasks.Renewal{Lease: l, State: to})
				want := from
				if running[to] && from.CanBecome(to) {
					want = to
				}
				require.Equal(t, want, get(t, s, p.ID).State, "renew")
				switch {
				case from.Terminal():
					require.Equal(t, tasks.Lost, verdict)
				case desired == tasks.DesiredStop:
					require.Equal(t, tasks.Stop, verdict)
				default:
					require.Equal(t, tasks.Kept, verdict)
				}

				set(t, rdb, p.ID, "state", string(from))
				err := s.Finish(ctx(t), l, tasks.End{State: to})
				got := get(t, s, p.ID).State
				switch {
				case from.Terminal():
					require.ErrorIs(t, err, tasks.ErrStale)
					require.Equal(t, from, got)
				case desired == tasks.DesiredStop:
					require.NoError(t, err)
					require.Equal(t, tasks.Stopped, got)
				case to.Terminal() && (from.CanBecome(to) || to == tasks.Stopped):
					require.NoError(t, err)
					require.Equal(t, to, got)
				default:
					require.Equal(t, tasks.CodeInternal, tasks.CodeOf(err))
					require.Equal(t, from, got)
				}
			})
		}
	}
}

func TestReleaseStopAbortAndTakeoverFromEveryState(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for _, from := range tasks.States() {
		for name, act := range map[string]func(p tasks.Push) (tasks.State, error){
			"release": func(p tasks.Push) (tasks.State, error) {
				_, err := s.Release(ctx(t), lease(p, "w"), media.Progress{}, nil)
				return tasks.Queued, err
			},
			"stop": func(p tasks.Push) (tasks.State, error) {
				_, err := s.Stop(ctx(t), p.ID)
				return tasks.Stopping, err
			},
			"abort": func(p tasks.Push) (tasks.State, error) {
				return tasks.Failed, s.Abort(ctx(t), p.ID, tasks.Failure{Code: "x"})
			},
			"takeover": func(p tasks.Push) (tasks.State, error) {
				_, err := s.Takeover(ctx(t), tasks.Expired{ID: p.ID, Expiry: 1, Push: p})
				return tasks.Queued, err
			},
		} {
			t.Run(name+" from "+string(from), func(t *testing.T) {
				p := create(t, s, newID(t))
				desired := "run"
				if from == tasks.Stopping || from == tasks.Stopped {
					desired = "stop"
				}
				set(t, rdb, p.ID, "state", string(from), "worker", "w", "desired", desired)
				require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, p.ID)).Err())
				to, _ := act(p)
				got := get(t, s, p.ID).State
				switch {
				case from.Terminal():
					require.Equal(t, from, got)
				case from == tasks.Stopping && name != "stop" && name != "abort":
					require.Equal(t, tasks.Stopped, got)
				case from.CanBecome(to):
					require.Equal(t, to, got)
				default:
					require.Equal(t, from, got)
				}
			})
		}
	}
}

func TestFinishLeavesNothingButRecords(t *testing.T) {
	failure := &tasks.Failure{Code: tasks.CodeRoomDenied, Message: "no"}
	for name, c := range map[string]struct {
		stop bool
		end  tasks.End
		want tasks.State
	}{
		"a completed push":                         {false, tasks.End{State: tasks.Completed}, tasks.Completed},
		"a failed push":                            {false, tasks.End{State: tasks.Failed, Failure: failure}, tasks.Failed},
		"a push that stopped by itself":            {false, tasks.End{State: tasks.Stopped}, tasks.Stopped},
		"a stopped push":                           {true, tasks.End{State: tasks.Stopped}, tasks.Stopped},
		"a push that failed while it was stopping": {true, tasks.End{State: tasks.Failed, Failure: failure}, tasks.Stopped},
	} {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			p := create(t, s, "u")
			l := claim(t, s, p, "w")
			renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing})
			if c.stop {
				_, err := s.Stop(ctx(t), p.ID)
				require.NoError(t, err)
			}
			c.end.Progress = progress(5 * time.Second)
			require.NoError(t, s.Finish(ctx(t), l, c.end))
			require.NoError(t, s.Finish(ctx(t), l, c.end), "the reply of the first was lost")
			got := get(t, s, p.ID)
			require.Equal(t, c.want, got.State)
			require.Empty(t, got.Worker)
			require.Equal(t, 5*time.Second, got.Progress.Position)
			require.Equal(t, c.want == tasks.Failed, got.Failure != nil)
			require.WithinDuration(t, time.Now(), got.EndedAt, patience)
			requireEnded(t, rdb, p)
			all := states(t, s, p.ID)
			require.Equal(t, c.want, all[len(all)-1])
			require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
			create(t, s, "u")
		})
	}
}

func TestStaleAttemptCanWriteNothing(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: short})
	p := create(t, s, "u")
	old := claim(t, s, p, "w1")
	next, err := s.Takeover(ctx(t), expired(t, s, 1)[0])
	require.NoError(t, err)
	require.EqualValues(t, 2, next)
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: old, State: tasks.Publishing, Progress: progress(time.Second), Started: time.Now()}))
	require.ErrorIs(t, s.Finish(ctx(t), old, tasks.End{State: tasks.Failed}), tasks.ErrStale)
	_, err = s.Release(ctx(t), old, progress(time.Second), nil)
	require.ErrorIs(t, err, tasks.ErrStale)
	_, err = s.Claim(ctx(t), old)
	require.ErrorIs(t, err, tasks.ErrStale)
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Queued, got.State)
	require.EqualValues(t, 2, got.Epoch)
	require.Nil(t, got.Progress)
	claim(t, s, got, "w2")
}

func TestReleaseGivesThePushToTheNextAttempt(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	for range 2 { // the reply of the first was lost
		next, err := s.Release(ctx(t), l, progress(9*time.Second), nil)
		require.NoError(t, err)
		require.EqualValues(t, 2, next)
	}
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Queued, got.State)
	require.Empty(t, got.Worker)
	require.Equal(t, 9*time.Second, got.Progress.Position)
	claimed, err := s.Claim(ctx(t), lease(got, "w2"))
	require.NoError(t, err)
	require.Equal(t, "sealed", claimed.Envelope)
	_, err = s.Release(ctx(t), l, progress(0), nil)
	require.ErrorIs(t, err, tasks.ErrStale, "somebody has it now")
}

func TestReleaseOfAStoppingPushStopsIt(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	for range 2 {
		next, err := s.Release(ctx(t), l, media.Progress{}, nil)
		require.NoError(t, err)
		require.Zero(t, next)
	}
	require.Equal(t, tasks.Stopped, get(t, s, p.ID).State)
	requireEnded(t, rdb, p)
}

func TestStopIsDurableAndIdempotent(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	queued := create(t, s, "a")
	p, err := s.Stop(ctx(t), queued.ID)
	require.NoError(t, err)
	require.Equal(t, tasks.Stopped, p.State)
	require.Equal(t, tasks.DesiredStop, p.Desired)
	requireEnded(t, rdb, p)
	again, err := s.Stop(ctx(t), queued.ID)
	require.NoError(t, err)
	require.Equal(t, p, again)

	held := create(t, s, "b")
	l := claim(t, s, held, "w")
	for range 3 {
		p, err = s.Stop(ctx(t), held.ID)
		require.NoError(t, err)
		require.Equal(t, tasks.Stopping, p.State)
	}
	require.Equal(t, []tasks.State{tasks.Queued, tasks.Starting, tasks.Stopping}, states(t, s, held.ID))
	require.Equal(t, tasks.Stop, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
}

func TestStopSignalsArriveAndComeBackAfterARestart(t *testing.T) {
	own := redisServer(t)
	s := store.New(own.Client(t), store.Config{Lease: long})
	c, cancel := contextWithCancel(t)
	signals := s.StopSignals(c)
	heard := func(user string) {
		t.Helper()
		p := create(t, s, user)
		claim(t, s, p, "w")
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.After(patience); ; {
			_, err := s.Stop(ctx(t), p.ID) // repeats the signal until somebody listens
			require.NoError(t, err)
			select {
			case id := <-signals:
				if id == p.ID {
					return
				}
			case <-tick.C:
			case <-deadline:
				t.Fatal("no signal")
			}
		}
	}
	heard("a")
	require.NoError(t, own.Restart())
	heard("b")
	cancel()
	require.Eventually(t, func() bool {
		select {
		case _, open := <-signals:
			return !open
		default:
			return false
		}
	}, patience, 5*time.Millisecond)
}

func TestCreateStopPairsRacingWithTwoWorkersAllEndStopped(t *testing.T) {
	const pairs = 200
	s, rdb := fresh(t, store.Config{})
	tasksOf := map[string]chan tasks.Lease{"w1": make(chan tasks.Lease, pairs), "w2": make(chan tasks.Lease, pairs)}
	var workers sync.WaitGroup
	for name, queue := range tasksOf {
		for range 8 {
			workers.Go(func() { playUntilStopped(t, s, name, queue) })
		}
	}
	ids := make([]string, pairs)
	var clients sync.WaitGroup
	for i := range pairs {
		clients.Go(func() {
			p := create(t, s, fmt.Sprintf("user%d", i))
			ids[i] = p.ID
			if rand.N(2) == 0 { // half of the doorbells ring before the stop, half after
				for _, q := range tasksOf {
					q <- tasks.Lease{ID: p.ID, Epoch: 1}
				}
			}
			if _, err := s.Stop(ctx(t), p.ID); err != nil {
				t.Error(err)
			}
			for _, q := range tasksOf {
				select {
				case q <- tasks.Lease{ID: p.ID, Epoch: 1}:
				default:
				}
			}
		})
	}
	clients.Wait()
	for _, q := range tasksOf {
		close(q)
	}
	workers.Wait()
	for _, id := range ids {
		p := get(t, s, id)
		require.Equal(t, tasks.Stopped, p.State)
		requireEnded(t, rdb, p)
	}
	require.Zero(t, rdb.Exists(ctx(t), "{roomcast}:live", "{roomcast}:index:active").Val())
	require.Empty(t, rdb.Keys(ctx(t), "{roomcast}:secret:*").Val())
	require.Empty(t, rdb.Keys(ctx(t), "{roomcast}:user:*").Val())
}

// playUntilStopped is a worker: it claims, publishes until it is told to stop,
// and finishes.
func playUntilStopped(t *testing.T, s *store.Store, name string, queue <-chan tasks.Lease) {
	for l := range queue {
		l.Worker = name
		if _, err := s.Claim(ctx(t), l); err != nil {
			continue
		}
		for verdict := tasks.Kept; verdict == tasks.Kept; {
			verdicts, err := s.Renew(ctx(t), []tasks.Renewal{{Lease: l, State: tasks.Publishing, Started: time.Now()}})
			if err != nil {
				t.Error(err)
				return
			}
			verdict = verdicts[0]
		}
		if err := s.Finish(ctx(t), l, tasks.End{State: tasks.Stopped}); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
}

func TestRenewOfFiveHundredPushesAnswersInOrder(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	rs := manyRenewals(t, s, 500)
	stop := map[int]bool{0: true, 199: true, 200: true, 399: true, 499: true}
	for i := range stop {
		_, err := s.Stop(ctx(t), rs[i].Lease.ID)
		require.NoError(t, err)
	}
	rs[3].Lease.ID = newID(t)
	verdicts, err := s.Renew(ctx(t), rs)
	require.NoError(t, err)
	require.Len(t, verdicts, 500)
	for i, v := range verdicts {
		want := tasks.Kept
		if stop[i] {
			want = tasks.Stop
		} else if i == 3 {
			want = tasks.Gone
		}
		require.Equal(t, want, v, "push %d", i)
	}
	none, err := s.Renew(ctx(t), nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func manyRenewals(t testing.TB, s *store.Store, n int) []tasks.Renewal {
	t.Helper()
	rs := make([]tasks.Renewal, n)
	for i := range rs {
		l := claim(t, s, create(t, s, fmt.Sprintf("user%d", i)), "w")
		rs[i] = tasks.Renewal{Lease: l, State: tasks.Publishing, Progress: progress(time.Second), Started: time.Now()}
	}
	return rs
}

func BenchmarkRenew(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("pushes=%d", n), func(b *testing.B) {
			s, _ := fresh(b, store.Config{})
			rs := manyRenewals(b, s, n)
			for b.Loop() {
				if _, err := s.Renew(ctx(b), rs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/push")
		})
	}
}
