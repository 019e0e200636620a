package store_test

import (
	"fmt"
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
	got, err := tryClaim(ctx(t), s, lease(p, "w1"), tasks.Place{})
	require.NoError(t, err)
	require.Equal(t, "sealed", got.Envelope)
	require.Equal(t, tasks.Starting, got.Push.State)
	require.Equal(t, "w1", got.Push.Worker)
	require.Equal(t, p.Spec, got.Push.Spec)
	again, err := tryClaim(ctx(t), s, lease(p, "w1"), tasks.Place{})
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
			_, err := tryClaim(ctx(t), s, tasks.Lease{ID: p.ID, Epoch: c.epoch, Worker: "w1"}, tasks.Place{})
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestAPushIsNotGivenToAWorkerThatCannotOpenIt(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	n := newPush(t, "u")
	n.Envelope = "v1.0a0a0a0a.nonce.sealed"
	room := ready("w2", 9, 0)
	room.Keys = []string{"0a0a0a0a"}
	here(t, s, room)
	p, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	for range 3 {
		_, err = tryClaim(ctx(t), s, lease(p, "w1"), tasks.Place{}, "0b0b0b0b", "0a0a0a0")
		require.ErrorIs(t, err, tasks.ErrNoKey)
	}
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Queued, got.State)
	require.EqualValues(t, 1, got.Epoch)
	require.Zero(t, got.Strikes)
	require.Equal(t, tasks.WaitingForKey, got.Waiting)
	require.EqualValues(t, "no_key", got.Trouble.Code)
	require.Equal(t, tasks.SideWorker, got.Trouble.Side)
	events, err := s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	require.Len(t, events, 2, "queued, and one trouble")

	claimed, err := tryClaim(ctx(t), s, lease(p, "w2"), tasks.Place{}, "0b0b0b0b", "0a0a0a0a")
	require.NoError(t, err)
	require.Equal(t, n.Envelope, claimed.Envelope)
	require.Nil(t, get(t, s, p.ID).Trouble)
	events, err = s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	require.Equal(t, tasks.EventRecovered, events[2].Type, "events: %v", events)
	_, err = tryClaim(ctx(t), s, lease(p, "w1"), tasks.Place{}, "0b0b0b0b")
	require.ErrorIs(t, err, tasks.ErrHeld, "its task is done with")
}

func TestAPushThatNoWorkerCanOpenIsStoppedAtOnce(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	n := newPush(t, "u")
	n.Envelope = "v1.0a0a0a0a.nonce.sealed"
	p, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	_, err = tryClaim(ctx(t), s, lease(p, "w1"), tasks.Place{}, "0b0b0b0b")
	require.ErrorIs(t, err, tasks.ErrNoKey)
	_, err = s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	_, err = tryClaim(ctx(t), s, lease(p, "w1"), tasks.Place{}, "0b0b0b0b")
	require.ErrorIs(t, err, tasks.ErrEnded)
	requireEnded(t, rdb, get(t, s, p.ID))
}

func TestAnEnvelopeThatIsNoneIsGivenToBeFailed(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for name, envelope := range map[string]string{"garbage": "garbage", "nothing": ""} {
		p := create(t, s, newID(t))
		require.NoError(t, rdb.Set(ctx(t), "{roomcast}:secret:"+p.ID, envelope, 0).Err())
		_, err := tryClaim(ctx(t), s, lease(p, "w"), tasks.Place{}, "0b0b0b0b")
		require.NoError(t, err, name)
	}
}

func TestClaimOfALaterAttemptRepairsAnOlderRecord(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	got, err := tryClaim(ctx(t), s, tasks.Lease{ID: p.ID, Epoch: 4, Worker: "w"}, tasks.Place{})
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
	require.Contains(t, raw["progress"], " 1234 ")

	// What is nil is unchanged, and the first start stays.
	r2 := tasks.Renewal{Lease: l, State: tasks.Publishing, Progress: progress(2 * time.Second), Started: started.Add(time.Hour)}
	require.Equal(t, tasks.Kept, renew(t, s, r2))
	got = get(t, s, p.ID)
	require.Equal(t, r.Source, got.Source)
	require.Equal(t, r.Warnings, got.Warnings)
	require.Equal(t, started, got.StartedAt)
	require.Equal(t, 2*time.Second, got.Progress.Position)
}

func TestWhatTheRoomWasToldIsThereForTheNextAttempt(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: 100 * time.Millisecond})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	plan := &media.Plan{
		Video: &media.TrackPlan{Action: media.Transcode, Reason: "size changed to 640x480", Output: media.Output{Width: 320, Height: 180}},
		Audio: &media.TrackPlan{Action: media.Drop, Reason: "no audio", Output: media.Output{SampleRate: 44100, Channels: 1}},
	}
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Plan: plan})
	next, err := s.Release(ctx(t), l, tasks.LastReport{})
	require.NoError(t, err)
	given, err := tryClaim(ctx(t), s, tasks.Lease{ID: p.ID, Epoch: next, Worker: "w2"}, tasks.Place{})
	require.NoError(t, err)
	require.Equal(t, plan, given.Push.Plan, "after a release")

	next = takeover(t, s, expired(t, s, 1)[0])
	given, err = tryClaim(ctx(t), s, tasks.Lease{ID: p.ID, Epoch: next, Worker: "w3"}, tasks.Place{})
	require.NoError(t, err)
	require.Equal(t, plan, given.Push.Plan, "after a takeover")
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
		return tasks.Event{At: time.Now(), Type: tasks.EventTrouble, Code: "x", Epoch: l.Epoch, Seq: seq}
	}
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Events: []tasks.Event{event(1), event(2)}})
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Events: []tasks.Event{event(1), event(2), event(3)}})
	next, err := s.Release(ctx(t), l, tasks.LastReport{Events: []tasks.Event{event(3), event(4)}})
	require.NoError(t, err)
	l = claim(t, s, tasks.Push{ID: p.ID, Epoch: next}, "w")
	require.NoError(t, finish(t, s, l, tasks.End{State: tasks.Completed, LastReport: tasks.LastReport{Events: []tasks.Event{event(1)}}}))
	events, err := s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	var seen []string
	for _, e := range events {
		if e.Code == "x" {
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

func finish(t testing.TB, s *store.Store, l tasks.Lease, e tasks.End) error {
	t.Helper()
	_, err := s.Finish(ctx(t), l, e)
	return err
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
			for range 2 { // the reply of the first was lost
				wrote, err := s.Finish(ctx(t), l, c.end)
				require.NoError(t, err)
				require.Equal(t, c.want, wrote)
			}
			got := get(t, s, p.ID)
			require.Equal(t, c.want, got.State)
			require.Empty(t, got.Worker)
			require.Equal(t, 5*time.Second, got.Progress.Position)
			require.Equal(t, c.want == tasks.Failed, got.Failure != nil)
			require.WithinDuration(t, time.Now(), got.EndedAt, patience)
			requireEnded(t, rdb, p)
			all := states(t, s, p.ID)
			require.Equal(t, c.want, all[len(all)-1])
			events, err := s.Events(ctx(t), p.ID)
			require.NoError(t, err)
			wantCode := map[bool]string{true: string(failure.Code)}[c.want == tasks.Failed]
			require.Equal(t, wantCode, events[len(events)-1].Code, "the history says why")
			require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
			create(t, s, "u")
		})
	}
}

func TestStaleAttemptCanWriteNothing(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: short})
	p := create(t, s, "u")
	old := claim(t, s, p, "w1")
	require.EqualValues(t, 2, takeover(t, s, expired(t, s, 1)[0]))
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: old, State: tasks.Publishing, Progress: progress(time.Second), Started: time.Now()}))
	require.ErrorIs(t, finish(t, s, old, tasks.End{State: tasks.Failed}), tasks.ErrStale)
	_, err := s.Release(ctx(t), old, tasks.LastReport{Progress: progress(time.Second)})
	require.ErrorIs(t, err, tasks.ErrStale)
	_, err = tryClaim(ctx(t), s, old, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrStale)
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Queued, got.State)
	require.EqualValues(t, 2, got.Epoch)
	require.Nil(t, got.Progress)
	claim(t, s, got, "w2")
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
