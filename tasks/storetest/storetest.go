// Package storetest says what a store owes an attempt, in one suite: the store of Redis
// passes it, and so does the fake that stands for it in tests of the domain.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// Key is the id of the key that Subject.Add seals with.
const Key = "0a0a0a0a"

// Store is what attempts work with.
type Store interface {
	tasks.AttemptStore
	tasks.LeaseStore
	tasks.HandoverStore
}

// Subject is an empty Store with the means to fill it and to look into it.
type Subject struct {
	Store
	Add  func(p tasks.Push) // stores a queued push, of the user that is its id, sealed with Key
	Get  func(id string) tasks.Push
	Stop func(id string) // makes desired=stop durable
	// Strike gives a push strikes, as takeovers do.
	Strike func(id string, strikes int)
	// Wait makes it as if a push had waited for an empty worker since then.
	Wait func(id string, since time.Time)
}

// Run runs the suite; open returns a new Subject whose leases do not run out within a
// test.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	t.Helper()
	for name, test := range map[string]func(*subject){
		"a claim makes the push the worker's":                            testClaim,
		"a claim that is repeated answers the same":                      testClaimRepeated,
		"a claim is refused with what is in its way":                     testClaimRefused,
		"of several claims each sees those before it":                    testClaims,
		"a push with strikes is claimed by an empty worker":              testIsolation,
		"a push is claimed where it fits":                                testCapacity,
		"a push that nobody has looked at costs what any does":           testCapacityUnknown,
		"an announced attempt prepares where it fits":                    testCapacityOfASuccessor,
		"what is prepared has its place when it is claimed":              testCapacityOfThePrepared,
		"no cores are kept for a new push that came a moment ago":        testNotKept,
		"a push that waits for long gives way now and then":              testGivesWay,
		"cores are kept again for a push that gave way":                  testKeptOnAfterItGaveWay,
		"cores are kept at once for a push that was in its room":         testKeptForWhatGoesOn,
		"what is larger than a worker waits for a larger one":            testLargerWaits,
		"it does not wait for ever":                                      testLargerWaitsNoLonger,
		"a cost changes with what is sent":                               testCostOfWhatIsSent,
		"what has left its room goes on wherever it can":                 testLargerGoesOn,
		"what is larger than all workers runs in an empty one":           testLargerThanAll,
		"the worker that lacks least keeps its cores":                    testKept,
		"a renew writes what the attempt tells":                          testRenew,
		"a renew answers how it stands with the push":                    testVerdicts,
		"a renewal that is over changes nothing":                         testOver,
		"a finish ends the push for good":                                testFinish,
		"a finish of a push that is to stop ends it as stopped":          testFinishStopped,
		"a release puts the push back under the next epoch":              testRelease,
		"a release of a push that is to stop ends it":                    testReleaseStopped,
		"nobody but the owner ends or releases":                          testForeignEnd,
		"an announced attempt prepares, and is claimed with the release": testHandover,
		"a push is not announced where there is nothing to prepare":      testNotAnnounced,
		"a lost record is written anew":                                  testRegister,
		"a record that has another owner, or an end, is not written":     testRegisterLost,
	} {
		t.Run(name, func(t *testing.T) { test(&subject{open(t), t}) })
	}
}

// subject is a Subject with its test.
type subject struct {
	Subject
	t *testing.T
}

const id = "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d"

func lease(epoch int64, worker string) tasks.Lease {
	return tasks.Lease{ID: id, Epoch: epoch, Worker: worker}
}

func (s *subject) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s.t.Cleanup(cancel)
	return ctx
}

// add stores the suite's push.
func (s *subject) add() { s.Add(tasks.Push{ID: id, Epoch: 1}) }

// claim claims one attempt.
func (s *subject) claim(l tasks.Lease, place tasks.Place, keys ...string) (tasks.Claimed, error) {
	answers, err := s.Claims(s.ctx(), []tasks.Claim{{Lease: l, Place: place}}, keys...)
	if err != nil {
		return tasks.Claimed{}, err
	}
	return answers[0].Claimed, answers[0].Err
}

func (s *subject) tryClaim(l tasks.Lease, others int) error {
	_, err := s.claim(l, tasks.Place{Others: others}, Key)
	return err
}

// claimed stores the suite's push and claims it for w1.
func (s *subject) claimed() tasks.Lease {
	s.t.Helper()
	s.add()
	s.appear("w1", "w2")
	l := lease(1, "w1")
	require.NoError(s.t, s.tryClaim(l, 0))
	return l
}

// appear lets workers be there.
func (s *subject) appear(workers ...string) {
	s.t.Helper()
	for _, w := range workers {
		_, err := s.Renew(s.ctx(), tasks.WorkerReport{Name: w}, nil)
		require.NoError(s.t, err)
	}
}

func (s *subject) renew(r tasks.Renewal) tasks.Verdict {
	s.t.Helper()
	verdicts, err := s.Renew(s.ctx(), tasks.WorkerReport{Name: r.Lease.Worker}, []tasks.Renewal{r})
	require.NoError(s.t, err)
	require.Len(s.t, verdicts, 1)
	return verdicts[0]
}

func (s *subject) finish(l tasks.Lease, state tasks.State) (tasks.State, error) {
	return s.Finish(s.ctx(), l, tasks.End{State: state})
}

func testClaim(s *subject) {
	s.add()
	claimed, err := s.claim(lease(1, "w1"), tasks.Place{Others: 5}, "0b0b0b0b", Key)
	require.NoError(s.t, err)
	require.NotEmpty(s.t, claimed.Envelope)
	got := s.Get(id)
	require.Equal(s.t, tasks.Starting, got.State)
	require.Equal(s.t, "w1", got.Worker)
	require.EqualValues(s.t, 1, got.Epoch)
	require.Equal(s.t, got.Worker, claimed.Push.Worker)
	require.Equal(s.t, got.State, claimed.Push.State)
}

func testClaimRepeated(s *subject) {
	l := s.claimed()
	require.NoError(s.t, s.tryClaim(l, 0), "the reply was lost")
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing}))
	require.ErrorIs(s.t, s.tryClaim(l, 0), tasks.ErrHeld, "it runs by now")
}

func testClaimRefused(s *subject) {
	require.ErrorIs(s.t, s.tryClaim(lease(1, "w1"), 0), tasks.ErrGone)
	s.add()
	_, err := s.claim(lease(1, "w1"), tasks.Place{}, "0b0b0b0b")
	require.ErrorIs(s.t, err, tasks.ErrNoKey)
	require.Equal(s.t, tasks.WaitingForKey, s.Get(id).Waiting)
	require.NoError(s.t, s.tryClaim(lease(1, "w1"), 0))
	require.Empty(s.t, s.Get(id).Waiting)
	require.ErrorIs(s.t, s.tryClaim(lease(1, "w2"), 0), tasks.ErrHeld)
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w2"), 0), tasks.ErrHeld, "the next attempt was not announced")
	_, err = s.Release(s.ctx(), lease(1, "w1"), tasks.LastReport{})
	require.NoError(s.t, err)
	require.ErrorIs(s.t, s.tryClaim(lease(1, "w1"), 0), tasks.ErrStale)
	s.Stop(id)
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w1"), 0), tasks.ErrEnded)
	require.Equal(s.t, tasks.Stopped, s.Get(id).State)
}

func testClaims(s *subject) {
	add := func(id string, strikes int) {
		s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now(), Spec: tasks.Spec{SDKAppID: 1400000001, RoomID: "room", UserID: id}})
		if strikes > 0 {
			s.Strike(id, strikes)
		}
	}
	const first, struck, alone, after = "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3a", "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3b",
		"01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3c", "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3d"
	claims := func(ids ...string) (errs []error) {
		s.t.Helper()
		asked := make([]tasks.Claim, len(ids))
		for i, id := range ids {
			asked[i].Lease = tasks.Lease{ID: id, Epoch: 1, Worker: "w1"}
		}
		answers, err := s.Claims(s.ctx(), asked, Key)
		require.NoError(s.t, err)
		require.Len(s.t, answers, len(ids))
		for i, a := range answers {
			errs = append(errs, a.Err)
			if a.Err == nil {
				require.Equal(s.t, ids[i], a.Push.ID)
				require.NotEmpty(s.t, a.Envelope)
				require.Equal(s.t, "w1", s.Get(ids[i]).Worker)
			}
		}
		return errs
	}
	require.Equal(s.t, []error{tasks.ErrGone}, claims("01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3e"))
	add(first, 0)
	add(struck, tasks.IsolationStrikes)
	require.Equal(s.t, []error{tasks.ErrGone, nil, tasks.ErrIsolated}, claims("01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3e", first, struck),
		"what was given before it is another push")
	add(alone, tasks.IsolationStrikes)
	add(after, 0)
	require.Equal(s.t, []error{nil, tasks.ErrIsolated}, claims(alone, after), "nothing starts beside it")
	require.Empty(s.t, s.Get(after).Worker)
}

func testIsolation(s *subject) {
	s.add()
	s.Strike(id, tasks.IsolationStrikes-1)
	require.NoError(s.t, s.tryClaim(lease(1, "w1"), 5), "fewer strikes do not matter")
	_, err := s.Release(s.ctx(), lease(1, "w1"), tasks.LastReport{})
	require.NoError(s.t, err)
	s.Strike(id, tasks.IsolationStrikes)
	before := s.Get(id)
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w1"), 1), tasks.ErrIsolated)
	require.Equal(s.t, before, s.Get(id), "it stays as it was")
	s.Wait(id, time.Now().Add(time.Minute-tasks.IsolationTime))
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w1"), 1), tasks.ErrIsolated)
	s.Wait(id, time.Now().Add(-time.Minute-tasks.IsolationTime))
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w1"), 2), tasks.ErrIsolated)
	require.NoError(s.t, s.tryClaim(lease(2, "w1"), 1))
	_, err = s.Release(s.ctx(), lease(2, "w1"), tasks.LastReport{})
	require.NoError(s.t, err)
	require.ErrorIs(s.t, s.tryClaim(lease(3, "w1"), 1), tasks.ErrIsolated, "it waits anew")
	require.NoError(s.t, s.tryClaim(lease(3, "w1"), 0))
}

func testRenew(s *subject) {
	l := s.claimed()
	at := time.UnixMilli(time.Now().UnixMilli())
	verdict := s.renew(tasks.Renewal{
		Lease: l, State: tasks.Publishing, Started: at, Progress: media.Progress{Position: time.Second, UpdatedAt: at},
		Source: &tasks.SourceReport{Kind: "vod"}, Warnings: []tasks.Warning{{Code: "hole", Message: "at 1s"}},
		Trouble: &tasks.Trouble{Side: tasks.SideRoom, Code: tasks.CodeRoomSlow},
	})
	require.Equal(s.t, tasks.Kept, verdict)
	got := s.Get(id)
	require.Equal(s.t, tasks.Publishing, got.State)
	require.True(s.t, at.Equal(got.StartedAt))
	require.Equal(s.t, time.Second, got.Progress.Position)
	require.Equal(s.t, "vod", got.Source.Kind)
	require.Equal(s.t, "hole", got.Warnings[0].Code)
	require.Equal(s.t, tasks.CodeRoomSlow, got.Trouble.Code)

	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Reconnecting, Trouble: &tasks.Trouble{}}))
	got = s.Get(id)
	require.Equal(s.t, tasks.Reconnecting, got.State)
	require.Nil(s.t, got.Trouble, "it is over")
	require.Equal(s.t, "vod", got.Source.Kind, "what is unchanged stands")
	require.True(s.t, at.Equal(got.StartedAt))
}

func testVerdicts(s *subject) {
	require.Equal(s.t, tasks.Gone, s.renew(tasks.Renewal{Lease: lease(1, "w1"), State: tasks.Publishing}))
	l := s.claimed()
	require.Equal(s.t, tasks.Lost, s.renew(tasks.Renewal{Lease: lease(1, "w2"), State: tasks.Publishing}))
	s.Stop(id)
	require.Equal(s.t, tasks.Stop, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing}))
	_, err := s.finish(l, tasks.Completed)
	require.NoError(s.t, err)
	require.Equal(s.t, tasks.Lost, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing}))
}

func testOver(s *subject) {
	l := s.claimed()
	before := s.Get(id)
	require.Equal(s.t, tasks.Lost, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing, Over: true}))
	require.Equal(s.t, before, s.Get(id))
}

func testFinish(s *subject) {
	l := s.claimed()
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing}))
	failure := &tasks.Failure{Code: tasks.CodeSourceGone, Message: "gone"}
	for range 2 { // the reply was lost
		state, err := s.Finish(s.ctx(), l, tasks.End{State: tasks.Failed, Failure: failure})
		require.NoError(s.t, err)
		require.Equal(s.t, tasks.Failed, state)
	}
	got := s.Get(id)
	require.Equal(s.t, tasks.Failed, got.State)
	require.Equal(s.t, failure, got.Failure)
	require.Empty(s.t, got.Worker)
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w2"), 0), tasks.ErrEnded)
}

func testFinishStopped(s *subject) {
	l := s.claimed()
	s.Stop(id)
	state, err := s.finish(l, tasks.Completed)
	require.NoError(s.t, err)
	require.Equal(s.t, tasks.Stopped, state)
	require.Equal(s.t, tasks.Stopped, s.Get(id).State)
}

func testRelease(s *subject) {
	l := s.claimed()
	at := time.UnixMilli(time.Now().UnixMilli())
	for range 2 { // the reply was lost
		next, err := s.Release(s.ctx(), l, tasks.LastReport{Progress: media.Progress{Position: time.Minute, UpdatedAt: at}})
		require.NoError(s.t, err)
		require.EqualValues(s.t, 2, next)
	}
	got := s.Get(id)
	require.Equal(s.t, tasks.Queued, got.State)
	require.Empty(s.t, got.Worker)
	require.EqualValues(s.t, 2, got.Epoch)
	require.Equal(s.t, time.Minute, got.Progress.Position)
	require.NoError(s.t, s.tryClaim(lease(2, "w2"), 0))
	_, err := s.Release(s.ctx(), l, tasks.LastReport{})
	require.ErrorIs(s.t, err, tasks.ErrStale, "somebody has it now")
}

func testReleaseStopped(s *subject) {
	l := s.claimed()
	s.Stop(id)
	for range 2 { // the reply was lost
		next, err := s.Release(s.ctx(), l, tasks.LastReport{})
		require.NoError(s.t, err)
		require.Zero(s.t, next)
	}
	require.Equal(s.t, tasks.Stopped, s.Get(id).State)
}

func testForeignEnd(s *subject) {
	_, err := s.finish(lease(1, "w1"), tasks.Completed)
	require.ErrorIs(s.t, err, tasks.ErrGone)
	_, err = s.Release(s.ctx(), lease(1, "w1"), tasks.LastReport{})
	require.ErrorIs(s.t, err, tasks.ErrGone)
	s.claimed()
	before := s.Get(id)
	_, err = s.finish(lease(1, "w2"), tasks.Completed)
	require.ErrorIs(s.t, err, tasks.ErrStale)
	_, err = s.Release(s.ctx(), lease(1, "w2"), tasks.LastReport{})
	require.ErrorIs(s.t, err, tasks.ErrStale)
	require.Equal(s.t, before, s.Get(id))
}

func testHandover(s *subject) {
	l, next := s.claimed(), lease(2, "w2")
	at := time.Now()
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing, Started: at, Progress: media.Progress{Position: time.Second, UpdatedAt: at}}))
	require.ErrorIs(s.t, s.Ready(s.ctx(), next), tasks.ErrStale, "it was not announced")
	require.ErrorIs(s.t, s.tryClaim(next, 0), tasks.ErrHeld)
	for range 2 {
		announced, err := s.Announce(s.ctx(), l)
		require.NoError(s.t, err)
		require.True(s.t, announced)
	}
	_, err := s.claim(next, tasks.Place{}, "0b0b0b0b")
	require.ErrorIs(s.t, err, tasks.ErrNoKey)
	require.Empty(s.t, s.Get(id).Waiting, "it does not wait: it publishes")
	claimed, err := s.claim(next, tasks.Place{}, Key)
	require.ErrorIs(s.t, err, tasks.ErrHandover)
	require.NotEmpty(s.t, claimed.Envelope)
	require.Equal(s.t, time.Second, claimed.Push.Progress.Position)
	s.Strike(id, tasks.IsolationStrikes)
	require.ErrorIs(s.t, s.tryClaim(next, 1), tasks.ErrIsolated)
	s.Strike(id, 0)
	require.Equal(s.t, "w1", s.Get(id).Worker, "it has moved nothing")
	require.Equal(s.t, tasks.Handover{Stands: true}, s.handover())
	require.NoError(s.t, s.Ready(s.ctx(), next))
	require.Equal(s.t, tasks.Handover{Stands: true, Successor: "w2"}, s.handover())
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing}), "it is still the owner's")
	_, err = s.Release(s.ctx(), l, tasks.LastReport{})
	require.NoError(s.t, err)
	require.False(s.t, s.handover().Stands)
	require.NoError(s.t, s.tryClaim(next, 0))
	require.ErrorIs(s.t, s.Ready(s.ctx(), next), tasks.ErrStale)
	require.Equal(s.t, tasks.Lost, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing}))
	require.Equal(s.t, "w2", s.Get(id).Worker)
}

func (s *subject) handover() tasks.Handover {
	s.t.Helper()
	all, err := s.Handovers(s.ctx(), []tasks.Lease{{ID: "another", Epoch: 2}, lease(2, ""), lease(3, "")})
	require.NoError(s.t, err)
	require.Len(s.t, all, 3)
	require.False(s.t, all[0].Stands, "there is no such push")
	require.False(s.t, all[2].Stands, "it is not the next one")
	return all[1]
}

func testNotAnnounced(s *subject) {
	_, err := s.Announce(s.ctx(), lease(1, "w1"))
	require.ErrorIs(s.t, err, tasks.ErrGone)
	s.add()
	s.appear("w1")
	l := lease(1, "w1")
	require.NoError(s.t, s.tryClaim(l, 0))
	announce := func() bool {
		s.t.Helper()
		announced, err := s.Announce(s.ctx(), l)
		require.NoError(s.t, err)
		return announced
	}
	require.False(s.t, announce(), "no other worker is there")
	_, err = s.Renew(s.ctx(), tasks.WorkerReport{Name: "w3", State: tasks.WorkerDraining}, nil)
	require.NoError(s.t, err)
	require.False(s.t, announce(), "the other worker leaves, too")
	s.appear("w2")
	for _, other := range []tasks.Lease{lease(1, "w2"), lease(2, "w2")} {
		_, err = s.Announce(s.ctx(), other)
		require.ErrorIs(s.t, err, tasks.ErrStale)
	}
	s.Strike(id, 1)
	require.False(s.t, announce(), "it has a strike")
	s.Strike(id, 0)
	require.True(s.t, announce())
	s.Stop(id)
	require.False(s.t, announce(), "it is to stop")
	require.False(s.t, s.handover().Stands)
	require.ErrorIs(s.t, s.tryClaim(lease(2, "w2"), 0), tasks.ErrHeld)
}

// running is what w1 knows of the suite's push.
func running() tasks.Registration {
	return tasks.Registration{Envelope: "v1." + Key + ".nonce.sealed", Push: tasks.Push{
		ID: id, State: tasks.Publishing, Desired: tasks.DesiredRun, Epoch: 3, Worker: "w1",
		Spec: tasks.Spec{SDKAppID: 1400000001, RoomID: "room", UserID: id},
	}}
}

func testRegister(s *subject) {
	for range 2 { // the reply was lost
		v, err := s.Register(s.ctx(), running())
		require.NoError(s.t, err)
		require.Equal(s.t, tasks.Kept, v)
	}
	got := s.Get(id)
	require.Equal(s.t, tasks.Publishing, got.State)
	require.Equal(s.t, "w1", got.Worker)
	require.EqualValues(s.t, 3, got.Epoch)
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: lease(3, "w1"), State: tasks.Publishing}))
}

func testRegisterLost(s *subject) {
	s.claimed()
	for _, r := range []tasks.Lease{lease(1, "w2"), lease(0, "w1")} {
		other := running()
		other.Push.Epoch, other.Push.Worker = r.Epoch, r.Worker
		v, err := s.Register(s.ctx(), other)
		require.NoError(s.t, err)
		require.Equal(s.t, tasks.Lost, v)
	}
	_, err := s.finish(lease(1, "w1"), tasks.Completed)
	require.NoError(s.t, err)
	v, err := s.Register(s.ctx(), running())
	require.NoError(s.t, err)
	require.Equal(s.t, tasks.Lost, v, "it has ended")
	require.Equal(s.t, tasks.Completed, s.Get(id).State)
}
