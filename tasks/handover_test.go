package tasks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// pair is two workers on one store: one publishes a and b, the other is idle.
type pair struct {
	*world
	ringing sync.Mutex
	bells   chan Task
	other   *Worker
	plays   sync.Map // epoch → time at which the room was opened
	open    time.Duration
	fault   error // of opening the source in the other worker
}

// Enqueue makes p a Queue whose bells can be heard; it keeps one of those that are the same.
func (p *pair) Enqueue(_ context.Context, t Task, _ bool) error {
	p.ringing.Lock()
	defer p.ringing.Unlock()
	known := false
	for range len(p.bells) {
		select {
		case waits := <-p.bells:
			known = known || waits == t
			p.bells <- waits
		default: // it was heard just now
		}
	}
	if !known {
		p.bells <- t
	}
	return nil
}

// second plays like playFor, but opens its source for a while first and then
// asks for the push, as the media does.
func (p *pair) second(ctx context.Context, job media.Job) error {
	select {
	case <-time.After(p.open):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if p.fault != nil {
		return p.fault
	}
	if job.TakeOver != nil {
		stood, err := job.TakeOver(ctx)
		if err != nil {
			return err
		}
		job.Start = stood.Position
	}
	_, cancel, err := job.MayOpenRoom(ctx)
	if err != nil {
		return err
	}
	cancel()
	p.plays.Store(time.Now(), job.Start)
	return playFor(time.Hour)(ctx, job)
}

func (p *pair) opened() (n int, at time.Time, from time.Duration) {
	p.plays.Range(func(k, v any) bool {
		n++
		at, _ = k.(time.Time)
		from, _ = v.(time.Duration)
		return true
	})
	return n, at, from
}

func newPair(pushes ...Push) *pair {
	p := &pair{world: newWorldFor(max(2, len(pushes)), playFor(time.Hour), pushes...), bells: make(chan Task, 10+2*len(pushes)), open: 300 * time.Millisecond}
	p.other = NewWorker(p.config("w2", playerFunc(p.second)))
	p.other.Slots = p.worker.Slots
	for _, w := range []*Worker{p.worker, p.other} {
		w.Handovers, w.Queue = p.store, p
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := p.stop
	p.stop = func() { stop(); cancel() }
	p.ran.Go(func() { p.other.Run(ctx) })
	return p
}

// published is a pair whose first worker has published the pushes for a while.
func published(pushes ...Push) *pair {
	p := newPair(pushes...)
	for _, push := range pushes {
		p.handle(Task{ID: push.ID, Epoch: 1})
	}
	time.Sleep(2 * time.Second)
	return p
}

func (p *pair) close() {
	p.other.Close()
	p.world.close()
}

// drain ends the first worker in the background; the channel is closed then.
func (p *pair) drain() chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); p.worker.Drain(context.Background()) }()
	return done
}

// hear gives the next bell to the other worker.
func (p *pair) hear(t *testing.T) chan error {
	t.Helper()
	done := make(chan error, 1)
	bell := <-p.bells
	require.EqualValues(t, 2, bell.Epoch)
	go func() { done <- p.other.Handle(context.Background(), bell) }()
	return done
}

func TestTheNextAttemptIsPreparedBeforeThisOneLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(queued("a"))
		defer p.close()
		first := p.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(5 * time.Second)
		begin := time.Now()
		drained := p.drain()
		next := p.hear(t)
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, 1, p.worker.Running(), "it publishes while the source is opened elsewhere")
		require.Zero(t, p.other.Running(), "what is not claimed is not renewed")
		<-drained
		require.NoError(t, <-first)
		require.InDelta(t, 0.3, time.Since(begin).Seconds(), 0.02)
		time.Sleep(100 * time.Millisecond)
		n, at, from := p.opened()
		require.Equal(t, 1, n)
		require.Less(t, at.Sub(begin), 340*time.Millisecond)
		require.InDelta(t, 5.3, from.Seconds(), 0.11, "the final position, not that of the announcement")
		require.Equal(t, 1, p.other.Running())
		require.Empty(t, p.other.preparing)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestADrainWaitsForNobodyWhenThereIsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(queued("a"))
		defer p.close()
		p.store.alone = true
		p.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2 * time.Second)
		begin := time.Now()
		<-p.drain()
		require.Zero(t, time.Since(begin))
		require.EqualValues(t, 2, (<-p.bells).Epoch)
	})
}

func TestAPushStaysInItsRoomUntilThereIsASuccessorOrTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		begin := time.Now()
		<-p.drain()
		require.InDelta(t, handoverTime.Seconds(), time.Since(begin).Seconds(), 0.02)
		require.Len(t, p.bells, 1, "one before and one after: a queue keeps one of them")
		next := p.hear(t)
		time.Sleep(time.Second)
		require.Equal(t, 1, p.other.Running())
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestADrainEndsSoonWhenTheOtherWorkerLeavesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		begin, drained := time.Now(), p.drain()
		time.Sleep(300 * time.Millisecond)
		p.other.Refuse()
		<-drained
		require.InDelta(t, askAgain.Seconds(), time.Since(begin).Seconds(), 0.02)
	})
}

func TestADrainLeavesItsRoomsInTimeWhileRedisIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := many(t, 4*leastWave)
		defer p.close()
		all := p.worker.snapshot()
		drained := p.drain()
		time.Sleep(100 * time.Millisecond)
		p.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(handoverTime - 200*time.Millisecond)
		for _, a := range all {
			require.NoError(t, a.cause(), "nobody could go on with it")
		}
		time.Sleep(time.Second)
		for _, a := range all {
			require.Error(t, a.cause(), "it has left its room, to be written down")
		}
		p.store.set(func(s *fakeStore) { s.away = false })
		<-drained
	})
}

// hung is a store whose Redis hangs: go-redis ends a read after a time of its own or at its
// deadline, not when it is cancelled.
type hung struct {
	*fakeStore
	read time.Duration
}

func (h hung) Announce(ctx context.Context, _ Lease) (bool, error) {
	deadline, _ := ctx.Deadline()
	time.Sleep(min(time.Until(deadline), h.read))
	return false, &Error{Code: CodeRedisUnavailable, Msg: "i/o timeout"}
}

func TestADrainLeavesItsRoomsInTimeWhileRedisHangs(t *testing.T) {
	for _, read := range []time.Duration{time.Minute, 2 * time.Second, 1900 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p := many(t, 4*leastWave)
			defer p.close()
			p.worker.Handovers = hung{p.store, read}
			all := p.worker.snapshot()
			drained := p.drain()
			time.Sleep(handoverTime + time.Millisecond)
			for _, a := range all {
				require.Error(t, a.cause(), "no call holds it up")
			}
			<-drained
		})
	}
}

// hungReady is a store whose Redis hangs once it has heard who is ready.
type hungReady struct{ *fakeStore }

func (h hungReady) Ready(ctx context.Context, l Lease) error {
	err := h.fakeStore.Ready(ctx, l)
	deadline, _ := ctx.Deadline()
	time.Sleep(time.Until(deadline))
	return err
}

func TestASuccessorThatIsClaimedDoesNotWaitUntilItHasSaidThatItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		p.other.Handovers = hungReady{p.store}
		begin := time.Now()
		drained := p.drain()
		p.hear(t)
		<-drained
		time.Sleep(100 * time.Millisecond)
		n, at, _ := p.opened()
		require.Equal(t, 1, n)
		require.Less(t, at.Sub(begin), p.open+100*time.Millisecond)
		time.Sleep(askAgain) // for the call that nobody awaits
	})
}

// bring gives bells to the other worker until ctx ends, again after a second those that it
// refuses, as the queue does.
func (p *pair) bring(ctx context.Context, bringing *sync.WaitGroup) {
	for {
		select {
		case bell := <-p.bells:
			bringing.Go(func() {
				for p.other.Handle(context.Background(), bell) != nil && ctx.Err() == nil {
					pause(ctx, time.Second)
				}
			})
		case <-ctx.Done():
			return
		}
	}
}

func TestADrainLosesNoSuccessorToRedisThatIsAwayForFiveSeconds(t *testing.T) {
	for name, begin := range map[string]time.Duration{"at its begin": 0, "when the first have been announced": 100 * time.Millisecond, "with its second wave": 400 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 4 * leastWave
				p := many(t, n)
				var bringing sync.WaitGroup
				defer bringing.Wait()
				defer p.close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				bringing.Go(func() { p.bring(ctx, &bringing) })
				away := func(away bool) { p.store.set(func(s *fakeStore) { s.away = away }) }
				if begin == 0 {
					away(true)
				}
				drained := p.drain()
				time.Sleep(begin)
				away(true)
				time.Sleep(5 * time.Second)
				away(false)
				p.store.set(func(s *fakeStore) { s.workers["w2"] = false }) // until it renews: a failover may lose that
				<-drained
				time.Sleep(100 * time.Millisecond)
				require.Len(t, p.store.successors, n, "each left when its next attempt was ready")
				require.Equal(t, n, p.other.Running(), "and that has taken over")
			})
		})
	}
}

func TestOnePushThatIsHandedOverWaitsForRedisThatIsAwayForTwoSecondsAsManyDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		p.open = 5 * time.Second
		defer p.close()
		a := p.worker.snapshot()[0]
		drained := p.drain()
		p.hear(t)
		time.Sleep(askAgain - 10*time.Millisecond) // it has not been announced again
		p.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(2 * time.Second)
		p.store.set(func(s *fakeStore) { s.away = false })
		time.Sleep(storeTime - 2*time.Second)
		require.NoError(t, a.cause(), "it is in its room")
		<-drained
		require.Len(t, p.store.successors, 1)
	})
}

func TestAPushStaysInItsRoomUntilItsSuccessorMayClaimIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		drained := p.drain()
		p.hear(t)
		time.Sleep(100 * time.Millisecond) // it is being prepared
		p.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(2 * time.Second)
		p.store.set(func(s *fakeStore) { s.away = false })
		<-drained
		left := time.Now()
		time.Sleep(5 * time.Second)
		n, at, _ := p.opened()
		require.Equal(t, 1, n)
		require.Less(t, at.Sub(left), 100*time.Millisecond, "it was cut off when its source was open")
	})
}

// oneThread is for a bubble with hundreds of timers: the race detector dies now and then
// when two threads fire them (go.dev/issue/78156).
func oneThread(t *testing.T) {
	threads := runtime.GOMAXPROCS(1)
	t.Cleanup(func() { runtime.GOMAXPROCS(threads) })
}

// many is published with n pushes.
func many(t *testing.T, n int) *pair {
	oneThread(t)
	pushes := make([]Push, n)
	for i := range pushes {
		pushes[i] = queued(fmt.Sprintf("p%02d", i))
	}
	return published(pushes...)
}

func TestADrainHandsOverInWavesAsLargeAsSuccessorsGetReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 50
		p := many(t, n)
		defer p.close()
		drained := p.drain()
		synctest.Wait()
		require.Len(t, p.bells, leastWave, "nobody is known to prepare them")
		longest, waves := 0, []int{}
		for p.worker.Running() > 0 {
			waves = append(waves, len(p.bells))
			for range len(p.bells) {
				p.hear(t)
			}
			time.Sleep(p.open + 2*handoverPoll + time.Millisecond)
			longest = max(longest, p.worker.Running()+p.other.Running())
		}
		<-drained
		require.LessOrEqual(t, longest, n)
		require.Equal(t, n, p.other.Running(), "waves of %v", waves)
		require.Greater(t, slices.Max(waves), leastWave, "those that get ready fast get more: %v", waves)
	})
}

func TestWavesGrowWhenADrainWouldNotBeThroughInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oneThread(t)
		const n, takes = 400, 600 * time.Millisecond // waves of leastWave would take half a minute
		begin := time.Now()
		v := newWaves()
		var leaving sync.WaitGroup
		for i := range n {
			a := new(attempt)
			v.enter(t.Context(), a, n-i)
			leaving.Go(func() { time.Sleep(takes); v.left(a, true) })
		}
		leaving.Wait()
		require.InDelta(t, wavesTime.Seconds(), time.Since(begin).Seconds(), 1.5)
	})
}

func TestASuccessorThatIsSlowHoldsUpNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := many(t, 2*leastWave)
		defer p.close()
		begin := time.Now()
		drained := p.drain()
		time.Sleep(slowSuccessor + waveTime)
		require.Len(t, p.bells, 2*leastWave)
		<-drained
		require.InDelta(t, handoverTime.Seconds(), time.Since(begin).Seconds(), 0.1)
	})
}

func TestLivePushesLeaveBeforeFilesAndThoseThatNobodySeesFirst(t *testing.T) {
	of := func(id string, s State, live bool) *attempt {
		a := newAttempt(Lease{ID: id}, queued(id))
		a.state, a.live, a.source = s, live, &SourceReport{}
		return a
	}
	var ids []string
	for _, a := range inLeavingOrder([]*attempt{
		of("a", Publishing, false), of("b", Reconnecting, false), of("c", Publishing, true), of("d", Publishing, false), of("e", Starting, true), of("f", Publishing, true),
	}) {
		ids = append(ids, a.lease.ID)
	}
	require.Equal(t, []string{"b", "e", "c", "f", "a", "d"}, ids)
}

func TestAPushWithAStrikeLeavesAfterAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		struck := queued("a")
		struck.Strikes = 1
		p := newPair(struck, queued("b"))
		defer p.close()
		p.handle(Task{ID: "a", Epoch: 1})
		p.handle(Task{ID: "b", Epoch: 1})
		time.Sleep(2 * time.Second)
		drained := p.drain()
		time.Sleep(handoverTime / 2)
		require.Equal(t, 2, p.worker.Running())
		require.Equal(t, "b", (<-p.bells).ID)
		require.Empty(t, p.bells, "it is not prepared beside others")
		<-drained
		require.Len(t, p.bells, 2)
	})
}

func TestASuccessorWhoseSourceIsNotOpenYetClaimsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		p.open = 2 * time.Second
		drained := p.drain()
		time.Sleep(handoverTime - time.Second)
		next := p.hear(t)
		<-drained
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, 1, p.other.Running(), "a push without an owner would look lost")
		n, _, _ := p.opened()
		require.Zero(t, n)
		time.Sleep(2 * time.Second)
		n, _, _ = p.opened()
		require.Equal(t, 1, n)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestASuccessorGivesItsTaskBack(t *testing.T) {
	for name, c := range map[string]struct {
		during func(p *pair)
		want   error
		fault  error
	}{
		"when the release does not come":   {func(*pair) {}, errNotHandedOver, nil},
		"when it is drained itself":        {func(p *pair) { p.other.Drain(context.Background()) }, media.ErrDraining, nil},
		"when its source cannot be opened": {func(*pair) {}, errNotHandedOver, errors.New("no")},
		"when Redis is away for too long":  {func(p *pair) { p.store.set(func(s *fakeStore) { s.away = true }) }, errNotHandedOver, nil},
		"when another has claimed meanwhile": {func(p *pair) {
			p.store.set(func(s *fakeStore) { s.pushes["a"] = Push{ID: "a", Epoch: 3, Worker: "w3"} })
		}, nil, nil},
		"when the push is to stop": {func(p *pair) { p.store.set(toStop) }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(Push{ID: "a", State: Publishing, Desired: DesiredRun, Epoch: 1, Worker: "w0", StartedAt: time.Now()})
				defer p.close()
				p.store.announced["a"], p.fault = 2, c.fault
				done := make(chan error, 1)
				go func() { done <- p.other.Handle(context.Background(), Task{ID: "a", Epoch: 2}) }()
				synctest.Wait()
				c.during(p)
				err := <-done
				require.ErrorIs(t, err, c.want)
				require.Equal(t, c.want == nil, err == nil, "nil is the end of the task")
				n, _, _ := p.opened()
				require.Zero(t, n, "the room was opened without a claim")
				require.Empty(t, p.other.preparing)
				require.Zero(t, p.other.slots)
				require.Empty(t, p.store.ends)
			})
		})
	}
}

func toStop(s *fakeStore) {
	p := s.pushes["a"]
	p.Desired = DesiredStop
	s.pushes["a"] = p
}

func TestAStopWhileASuccessorPreparesEndsThePushAndTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(queued("a"))
		defer p.close()
		p.open = time.Minute
		first := p.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2500 * time.Millisecond)
		begin := time.Now()
		drained := p.drain()
		next := p.hear(t)
		time.Sleep(100 * time.Millisecond)
		p.store.set(func(s *fakeStore) { toStop(s); s.verdicts["a"] = Stop })
		p.worker.Nudge("a")
		require.NoError(t, <-first)
		<-drained
		require.Less(t, time.Since(begin), 150*time.Millisecond)
		end, _ := p.store.ended("a")
		require.Equal(t, Stopped, end.State)
		require.NoError(t, <-next)
		n, _, _ := p.opened()
		require.Zero(t, n)
	})
}

func TestASuccessorThatWasCutOffClaimsWhenItMayAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		drained := p.drain()
		next := p.hear(t)
		synctest.Wait()
		p.other.noteRenewFailed(time.Now())
		time.Sleep(p.other.Lease - time.Millisecond)
		require.Equal(t, 1, p.worker.Running(), "nobody is ready to go on with it")
		require.Zero(t, p.other.Running(), "it claims nothing after its own renew failed")
		<-drained
		time.Sleep(2*handoverPoll + time.Millisecond)
		require.Equal(t, 1, p.other.Running())
		n, _, _ := p.opened()
		require.Equal(t, 1, n)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestASuccessorClaimsAgainWhenRedisFailedItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		claims := &failing{fakeStore: p.store}
		p.other.Store = claims
		drained := p.drain()
		next := p.hear(t)
		synctest.Wait()
		claims.times.Store(3)
		<-drained
		time.Sleep(5 * handoverPoll)
		require.Equal(t, 1, p.other.Running())
		p.other.Close()
		require.NoError(t, <-next)
	})
}

// failing is a store that fails so many calls of some kinds.
type failing struct {
	*fakeStore
	times atomic.Int64
}

func (f *failing) Claims(ctx context.Context, claims []Claim, keys ...string) ([]ClaimAnswer, error) {
	if f.times.Add(-1) >= 0 {
		return nil, errAway
	}
	return f.fakeStore.Claims(ctx, claims, keys...)
}

func (f *failing) Ready(ctx context.Context, l Lease) error {
	if f.times.Add(-1) >= 0 {
		return errAway
	}
	return f.fakeStore.Ready(ctx, l)
}

func TestASuccessorSaysAgainThatItIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		failing := &failing{fakeStore: p.store}
		failing.times.Store(2)
		p.other.Handovers = failing
		begin, drained := time.Now(), p.drain()
		next := p.hear(t)
		<-drained
		require.Less(t, time.Since(begin), p.open+2*askAgain+2*handoverPoll, "once it is told")
		time.Sleep(2 * handoverPoll)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestAnAnnouncementThatRedisHasLostIsRungForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		begin, drained := time.Now(), p.drain()
		synctest.Wait()
		p.store.set(func(s *fakeStore) { delete(s.announced, "a") })
		require.NoError(t, <-p.hear(t), "what is not announced is held: its task is done with")
		next := p.hear(t)
		<-drained
		require.Less(t, time.Since(begin), askAgain+p.open+2*handoverPoll)
		time.Sleep(2 * handoverPoll)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestASuccessorWaitsAsLongAsTheOwnerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"))
		defer p.close()
		p.open = handoverTime - time.Second
		begin, drained := time.Now(), p.drain()
		next := p.hear(t)
		<-drained
		time.Sleep(50 * time.Millisecond)
		n, at, _ := p.opened()
		require.Equal(t, 1, n)
		require.InDelta(t, p.open.Seconds(), at.Sub(begin).Seconds(), 0.05, "its source was open before the push left")
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestASuccessorWhoseOwnerVanishesDoesNotWaitForIt(t *testing.T) {
	for name, c := range map[string]struct {
		becomes func(p *Push) // by the sweeper
		after   time.Duration
		runs    int
		want    error
	}{
		"taken over":        {func(p *Push) { p.State, p.Epoch, p.Worker = Queued, 2, "" }, 2 * handoverPoll, 1, nil},
		"ended":             {func(p *Push) { p.State, p.Worker = Failed, "" }, 2 * handoverPoll, 0, nil},
		"without a sweeper": {func(*Push) {}, handoverTime + successorTime*3*time.Second, 0, errNotHandedOver},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(Push{ID: "a", State: Publishing, Desired: DesiredRun, Epoch: 1, Worker: "w0", StartedAt: time.Now()})
				defer p.close()
				p.store.announced["a"] = 2
				begin, done := time.Now(), make(chan error, 1)
				go func() { done <- p.other.Handle(context.Background(), Task{ID: "a", Epoch: 2}) }()
				synctest.Wait()
				FakeStore{p.store}.change("a", c.becomes)
				time.Sleep(c.after)
				require.Equal(t, c.runs, p.other.Running())
				p.other.Close()
				require.ErrorIs(t, <-done, c.want)
				require.Equal(t, c.after, time.Since(begin))
			})
		})
	}
}

func TestAPushThatRunsAloneIsNotPreparedBesideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		struck := queued("b")
		struck.Strikes = IsolationStrikes
		p := newPair(queued("a"), struck)
		defer p.close()
		p.open = 800 * time.Millisecond
		p.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2 * time.Second)
		drained := p.drain()
		next := p.hear(t)
		synctest.Wait()
		require.ErrorIs(t, p.other.Handle(t.Context(), Task{ID: "b", Epoch: 1}), ErrIsolated, "a source that is being opened is a neighbour")
		<-drained
		time.Sleep(50 * time.Millisecond)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

// faulty is a store with a push that cannot be announced.
type faulty struct {
	*fakeStore
	id string
}

func (f faulty) Announce(ctx context.Context, l Lease) (bool, error) {
	if l.ID == f.id {
		return false, &Error{Code: CodeInternal, Msg: "its key holds something else"}
	}
	return f.fakeStore.Announce(ctx, l)
}

func TestAPushThatCannotBeAnnouncedLeavesColdAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := published(queued("a"), queued("b"))
		defer p.close()
		p.worker.Handovers = faulty{p.store, "a"}
		gone := p.drain()
		for bell := range p.bells {
			if bell.ID == "b" {
				go func() { _ = p.other.Handle(context.Background(), bell) }()
				break
			}
		}
		time.Sleep(p.open / 2)
		require.Equal(t, "w1", FakeStore{p.store}.Get("b").Worker, "its successor opens the source")
		<-gone
		require.Equal(t, map[string]int64{"a": 2, "b": 2}, p.store.released)
		time.Sleep(time.Second)
		require.Equal(t, "w2", FakeStore{p.store}.Get("b").Worker)
	})
}
