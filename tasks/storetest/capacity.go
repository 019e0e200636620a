package storetest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// costs lets the attempt tell what its push costs.
func (s *subject) costs(l tasks.Lease, cost tasks.Cost) {
	s.t.Helper()
	plan := media.Plan{Video: &media.TrackPlan{Action: media.Transcode, Reason: "codec hevc"}}
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Starting, Plan: &plan, Source: &tasks.SourceReport{Kind: "vod"}, Cost: cost}))
}

func testCapacity(s *subject) {
	l := s.claimed()
	s.costs(l, 60*tasks.LeastCost)
	next, err := s.Release(s.ctx(), l, tasks.LastReport{Waiting: tasks.WaitingForCapacity})
	require.NoError(s.t, err)
	p := s.Get(id)
	require.Equal(s.t, tasks.Queued, p.State)
	require.Equal(s.t, tasks.WaitingForCapacity, p.Waiting)
	require.Equal(s.t, 60*tasks.LeastCost, p.Cost)
	l = lease(next, "w2")
	claim := func(taken, limit tasks.Cost) error {
		_, err := s.claim(l, tasks.Place{Taken: taken * tasks.LeastCost, Limit: limit * tasks.LeastCost}, Key)
		return err
	}
	require.ErrorIs(s.t, claim(41, 100), tasks.ErrCapacity)
	require.ErrorIs(s.t, claim(1, 60), tasks.ErrCapacity)
	require.Equal(s.t, tasks.WaitingForCapacity, s.Get(id).Waiting)
	require.NoError(s.t, claim(40, 100))
	require.Empty(s.t, s.Get(id).Waiting)
	l.Epoch, err = s.Release(s.ctx(), l, tasks.LastReport{})
	require.NoError(s.t, err)
	require.Empty(s.t, s.Get(id).Waiting, "nothing is known of what the next waits for")
	require.NoError(s.t, claim(0, 10), "what is larger than a worker runs in an empty one")
}

func testCostOfWhatIsSent(s *subject) {
	l := s.claimed()
	s.costs(l, tasks.LeastCost)
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Cost: 2 * tasks.LeastCost}))
	require.Equal(s.t, 2*tasks.LeastCost, s.Get(id).Cost)
}

// appearWith lets a worker be there that has cores for so much.
func (s *subject) appearWith(worker string, limit tasks.Cost, state tasks.WorkerState) {
	s.t.Helper()
	_, err := s.Renew(s.ctx(), tasks.WorkerReport{Name: worker, State: state, Slots: 10, Capacity: &tasks.CapacityReport{Limit: limit, Taken: limit, Full: true}}, nil)
	require.NoError(s.t, err)
}

// isLarge is an old push of the suite that was found to cost 60 times LeastCost so long ago.
func (s *subject) isLarge(since time.Duration) {
	s.t.Helper()
	s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now().Add(-time.Hour)})
	l := lease(1, "small")
	require.NoError(s.t, s.tryClaim(l, 0))
	s.costs(l, 60*tasks.LeastCost)
	next, err := s.Release(s.ctx(), l, tasks.LastReport{Waiting: tasks.WaitingForCapacity})
	require.NoError(s.t, err)
	require.EqualValues(s.t, 2, next)
	if since > 0 {
		s.Wait(id, time.Now().Add(-since))
	}
}

// claimLarge asks for it in an empty worker, or one with another push, of 10 times LeastCost.
func (s *subject) claimLarge(taken tasks.Cost) error {
	_, err := s.claim(lease(2, "small"), tasks.Place{Taken: taken, Limit: 10 * tasks.LeastCost}, Key)
	return err
}

func testLargerWaits(s *subject) {
	s.isLarge(tasks.LargerTime - 10*time.Second)
	s.appearWith("small", 10*tasks.LeastCost, tasks.WorkerReady)
	s.appearWith("large", 60*tasks.LeastCost, tasks.WorkerReady)
	s.isNotKept(s.claimLarge(0))
	s.isNotKept(s.claimLarge(1))
	require.Equal(s.t, tasks.WaitingForCapacity, s.Get(id).Waiting)
	_, err := s.claim(lease(2, "large"), tasks.Place{Taken: 1, Limit: 60 * tasks.LeastCost}, Key)
	require.ErrorIs(s.t, err, tasks.ErrKept, "the one that it fits in keeps its cores")
	_, err = s.claim(lease(2, "large"), tasks.Place{Limit: 60 * tasks.LeastCost}, Key)
	require.NoError(s.t, err)
}

func testLargerWaitsNoLonger(s *subject) {
	s.isLarge(tasks.LargerTime)
	s.appearWith("large", 60*tasks.LeastCost, tasks.WorkerReady)
	require.NoError(s.t, s.claimLarge(0))
}

func testLargerGoesOn(s *subject) {
	l := s.claimed()
	s.costs(l, 60*tasks.LeastCost)
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Cost: 60 * tasks.LeastCost}))
	s.appearWith("large", 60*tasks.LeastCost, tasks.WorkerReady)
	announced, err := s.Announce(s.ctx(), l)
	require.NoError(s.t, err)
	require.True(s.t, announced)
	s.isNotKept(s.claimLarge(0))
	_, err = s.Release(s.ctx(), l, tasks.LastReport{})
	require.NoError(s.t, err)
	require.NoError(s.t, s.claimLarge(0), "nobody sees it while it waits")
}

func testLargerThanAll(s *subject) {
	s.isLarge(0)
	s.appearWith("small", 10*tasks.LeastCost, tasks.WorkerReady)
	s.appearWith("larger", 59*tasks.LeastCost, tasks.WorkerReady)
	s.appearWith("leaves", 60*tasks.LeastCost, tasks.WorkerDraining)
	require.NoError(s.t, s.claimLarge(0))
}

// claimIn asks for the suite's push, of LeastCost, in a worker that lacks so much for it.
func (s *subject) claimIn(worker string, epoch int64, lacks tasks.Cost) error {
	_, err := s.claim(lease(epoch, worker), tasks.Place{Taken: 10 * tasks.LeastCost, Limit: 11*tasks.LeastCost - lacks}, Key)
	return err
}

func (s *subject) isNotKept(err error) {
	s.t.Helper()
	require.ErrorIs(s.t, err, tasks.ErrCapacity)
	require.NotErrorIs(s.t, err, tasks.ErrKept)
}

func testNotKept(s *subject) {
	s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now().Add(time.Hour)})
	s.isNotKept(s.claimIn("w1", 1, 1))
}

func testKept(s *subject) {
	s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now().Add(-tasks.KeepAfter)})
	require.ErrorIs(s.t, s.claimIn("w1", 1, 50), tasks.ErrKept)
	require.Equal(s.t, tasks.WaitingForCapacity, s.Get(id).Waiting)
	require.ErrorIs(s.t, s.claimIn("w1", 1, 60), tasks.ErrKept, "it keeps them on")
	s.isNotKept(s.claimIn("w2", 1, 60))
	require.ErrorIs(s.t, s.claimIn("w2", 1, 59), tasks.ErrKept)
	s.isNotKept(s.claimIn("w1", 1, 60))
	require.NoError(s.t, s.claimIn("w3", 1, 0), "where it fits it is taken")
	_, err := s.Release(s.ctx(), lease(1, "w3"), tasks.LastReport{})
	require.NoError(s.t, err)
	require.ErrorIs(s.t, s.claimIn("w1", 2, 90), tasks.ErrKept, "nobody keeps them any more")
}

func testGivesWay(s *subject) {
	s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now().Add(-4*tasks.GiveWayAfter - time.Second)})
	s.isNotKept(s.claimIn("w1", 1, 1))
}

func testKeptOnAfterItGaveWay(s *subject) {
	s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now().Add(-4*tasks.GiveWayAfter - 3*tasks.GiveWayTime)})
	require.ErrorIs(s.t, s.claimIn("w1", 1, 1), tasks.ErrKept)
}

func testKeptForWhatGoesOn(s *subject) {
	l := s.claimed()
	require.Equal(s.t, tasks.Kept, s.renew(tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now()}))
	announced, err := s.Announce(s.ctx(), l)
	require.NoError(s.t, err)
	require.True(s.t, announced)
	require.ErrorIs(s.t, s.claimIn("w2", 2, 1), tasks.ErrKept, "for one that is handed over")
	_, err = s.Release(s.ctx(), l, tasks.LastReport{})
	require.NoError(s.t, err)
	require.ErrorIs(s.t, s.claimIn("w2", 2, 1), tasks.ErrKept)
}

func testCapacityUnknown(s *subject) {
	s.add()
	claim := func(taken, limit tasks.Cost) error {
		_, err := s.claim(lease(1, "w1"), tasks.Place{Taken: taken, Limit: limit}, Key)
		return err
	}
	require.ErrorIs(s.t, claim(1, tasks.LeastCost), tasks.ErrCapacity, "it costs what any push does")
	require.Equal(s.t, tasks.WaitingForCapacity, s.Get(id).Waiting)
	require.NoError(s.t, claim(1, 1+tasks.LeastCost))
}

func testCapacityOfASuccessor(s *subject) {
	l := s.claimed()
	s.costs(l, 60*tasks.LeastCost)
	announced, err := s.Announce(s.ctx(), l)
	require.NoError(s.t, err)
	require.True(s.t, announced)
	_, err = s.claim(lease(2, "w2"), tasks.Place{Taken: 1, Limit: 60 * tasks.LeastCost}, Key)
	require.ErrorIs(s.t, err, tasks.ErrCapacity)
	require.Empty(s.t, s.Get(id).Waiting, "it runs")
	_, err = s.claim(lease(2, "w2"), tasks.Place{Taken: 1, Limit: 61 * tasks.LeastCost}, Key)
	require.ErrorIs(s.t, err, tasks.ErrHandover)
}

func testCapacityOfThePrepared(s *subject) {
	const a, b, c = "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3a", "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3b", "01939f2e-5b7a-7c3e-9f10-3f0c5a1b2c3c"
	add := func(id string) {
		s.Add(tasks.Push{ID: id, Epoch: 1, CreatedAt: time.Now(), Spec: tasks.Spec{SDKAppID: 1400000001, RoomID: "room", UserID: id}})
	}
	s.appear("w1", "w2")
	prepared := func(id string) tasks.Claim {
		add(id)
		l, next := tasks.Lease{ID: id, Epoch: 1, Worker: "w1"}, tasks.Lease{ID: id, Epoch: 2, Worker: "w2"}
		_, err := s.claim(l, tasks.Place{}, Key)
		require.NoError(s.t, err)
		s.costs(l, 40*tasks.LeastCost)
		announced, err := s.Announce(s.ctx(), l)
		require.NoError(s.t, err)
		require.True(s.t, announced)
		_, err = s.claim(next, tasks.Place{}, Key)
		require.ErrorIs(s.t, err, tasks.ErrHandover)
		_, err = s.Release(s.ctx(), l, tasks.LastReport{})
		require.NoError(s.t, err)
		return tasks.Claim{Lease: next, Place: tasks.Place{Others: 1, Taken: 40 * tasks.LeastCost, Limit: 100 * tasks.LeastCost, Counted: true}}
	}
	claims := []tasks.Claim{prepared(a), prepared(b)}
	claims[1].Place.Taken = 70 * tasks.LeastCost // the plan of another one has changed
	add(c)
	claims = append(claims, tasks.Claim{
		Lease: tasks.Lease{ID: c, Epoch: 1, Worker: "w2"}, Place: tasks.Place{Others: 2, Taken: 80 * tasks.LeastCost, Limit: 81 * tasks.LeastCost},
	})
	answers, err := s.Claims(s.ctx(), claims, Key)
	require.NoError(s.t, err)
	for _, answer := range answers {
		require.NoError(s.t, answer.Err, "each is counted once")
	}
}
