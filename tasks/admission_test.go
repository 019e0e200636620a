package tasks

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// newCounted is a world whose worker takes pushes for 100 times LeastCost.
func newCounted(p Player, pushes ...Push) *world {
	w := &world{store: newFakeStore(pushes...)}
	c := w.config("w1", p)
	c.Slots, c.Capacity = 50, Capacity{Cores: 1 / fullShare, Speed: 100 * LeastCost}
	w.worker = NewWorker(c)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ran.Go(func() { w.worker.Run(ctx) })
	synctest.Wait()
	return w
}

// recoding plays each room's push with a picture that costs so many units beside
// LeastCost, until it is cancelled; it asks whether that fits, as media/push does.
type recoding struct {
	units map[string]int

	mu    sync.Mutex
	opens map[string]int // rooms that were opened
}

func newRecoding(units map[string]int) *recoding {
	return &recoding{units: units, opens: map[string]int{}}
}

func (r *recoding) opened(room string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opens[room]
}

func (r *recoding) Play(ctx context.Context, job media.Job) error {
	room := job.Destination.RoomID
	r.plan(job, r.units[room])
	if err := job.Fits(); err != nil {
		return err
	}
	r.mu.Lock()
	r.opens[room]++
	r.mu.Unlock()
	job.Observer.Publishing()
	<-ctx.Done()
	return context.Cause(ctx)
}

// plan tells of a picture that is decoded and encoded for units.
func (*recoding) plan(job media.Job, units int) {
	plan := media.Plan{Video: &media.TrackPlan{Action: media.Copy}}
	if units > 0 {
		plan.Video = &media.TrackPlan{Action: media.Transcode, Output: media.Output{Width: units * int(LeastCost) / 30, Height: 1}}
	}
	job.Observer.Planned(media.SourceInfo{}, false, plan)
}

func TestAPushThatDoesNotFitIsGivenBackBeforeItsRoomIsOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoding(map[string]int{"a": 59, "b": 59, "c": 0})
		w := newCounted(r, of("a"), of("b"), of("c"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		require.NoError(t, <-w.handle(Task{ID: "b", Epoch: 1}), "that bell is heard")
		require.Zero(t, r.opened("b"))
		b := FakeStore{w.store}.Get("b")
		require.Equal(t, Queued, b.State)
		require.EqualValues(t, 2, b.Epoch)
		require.Equal(t, WaitingForCapacity, b.Waiting)
		require.Equal(t, 60*LeastCost, b.Cost)
		require.Equal(t, []Task{TaskOf(b)}, w.queue.rung)
		require.Zero(t, w.queue.front, "it stands with the new ones")
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 2}), ErrCapacity, "by now it is known before it is claimed")
		w.handle(Task{ID: "c", Epoch: 1})
		synctest.Wait()
		require.Equal(t, 1, r.opened("c"), "what fits is taken")
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Stop })
		time.Sleep(2 * renewEvery)
		w.handle(Task{ID: "b", Epoch: 2})
		synctest.Wait()
		require.Equal(t, 1, r.opened("b"), "a place is free")
	})
}

func TestAWorkerWhoseCoresAreTakenAsksForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoding(map[string]int{"a": 97, "b": 0})
		w := newCounted(r, of("a"), of("b"), of("c"))
		defer w.close()
		require.True(t, w.worker.Takes(false))
		w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		require.True(t, w.worker.Takes(false), "one copy fits")
		w.handle(Task{ID: "b", Epoch: 1})
		w.worker.askRenew()
		synctest.Wait()
		require.True(t, w.worker.Takes(false))
		require.Equal(t, 99*LeastCost, w.told().Capacity.Taken)
		w.handle(Task{ID: "c", Epoch: 1})
		w.worker.askRenew()
		synctest.Wait()
		require.False(t, w.worker.Takes(false))
		require.False(t, w.worker.Takes(true))
		require.True(t, w.told().Capacity.Full, "the fleet is told")
		require.ErrorIs(t, <-w.handle(Task{ID: "d", Epoch: 1}), ErrCapacity)
	})
}

func TestAWorkerThatUsesUpItsCoresTakesOnlyWhatMustGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goesOn := of("old")
		goesOn.Epoch, goesOn.StartedAt = 2, time.Now()
		began, rate := time.Now(), atomic.Int64{}
		w := &world{store: newFakeStore(of("new"), goesOn)}
		c := w.config("w1", newRecoding(nil))
		c.Slots, c.Capacity = 50, Capacity{Cores: 2, Speed: 100 * LeastCost}
		var log bytes.Buffer
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		c.CPU = func() time.Duration { return time.Since(began) * time.Duration(rate.Load()) / 100 }
		rate.Store(195)
		w.worker = NewWorker(c)
		ctx, cancel := context.WithCancel(context.Background())
		w.stop = cancel
		w.ran.Go(func() { w.worker.Run(ctx) })
		defer w.close()
		time.Sleep(strainTime - renewEvery/2)
		require.True(t, w.worker.Takes(false), "a burst of starts closes nothing")
		time.Sleep(2 * renewEvery)
		require.False(t, w.worker.Takes(false))
		require.True(t, w.told().Capacity.Full)
		require.Zero(t, w.told().Capacity.Free())
		require.ErrorIs(t, <-w.handle(Task{ID: "new", Epoch: 1}), ErrCapacity)
		w.worker.carried.keep(Task{ID: "new", Epoch: 1}, true)
		time.Sleep(keptEvery)
		_, wanted := w.worker.Wanted(false)
		require.False(t, wanted, "nor what its cores are kept for")
		w.worker.carried.keep(Task{ID: "new", Epoch: 1}, false)
		require.True(t, w.worker.Takes(true))
		w.handle(Task{ID: "old", Epoch: 2, GoesOn: true})
		synctest.Wait()
		require.Equal(t, 1, w.worker.Running())
		rate.Store(100) // it has used less than was told before
		time.Sleep(strainTime + 2*renewEvery)
		require.True(t, w.worker.Takes(false))
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "cores are used up"), "that it is over is no trouble")
	})
}

func TestAWorkerWhoseSlotsAreTakenAsksForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldFor(1, playFor(time.Hour), of("a"))
		defer w.close()
		require.True(t, w.worker.Takes(false))
		w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		require.False(t, w.worker.Takes(false))
		require.False(t, w.worker.Takes(true))
	})
}

func TestWhatMustGoOnIsNotOvertakenByNewPushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := of("old")
		old.Cost, old.Epoch, old.StartedAt = 50*LeastCost, 2, time.Now()
		r := newRecoding(map[string]int{"a": 59, "old": 49})
		w := newCounted(r, of("a"), old, of("new"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		require.ErrorIs(t, <-w.handle(Task{ID: "old", Epoch: 2, GoesOn: true}), ErrCapacity)
		require.False(t, w.worker.Takes(false), "a new one would fit, and must wait")
		require.ErrorIs(t, <-w.handle(Task{ID: "new", Epoch: 1}), ErrCapacity)
		require.True(t, w.worker.Takes(true))
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Stop })
		time.Sleep(2 * renewEvery)
		w.handle(Task{ID: "old", Epoch: 2, GoesOn: true})
		synctest.Wait()
		require.Equal(t, 1, r.opened("old"))
		require.True(t, w.worker.Takes(false))
	})
}

func TestAPushLargerThanAWorkerRunsAloneAndIsWarned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoding(map[string]int{"large": 200})
		w := newCounted(r, of("small"), of("large"))
		defer w.close()
		w.handle(Task{ID: "small", Epoch: 1})
		synctest.Wait()
		require.NoError(t, <-w.handle(Task{ID: "large", Epoch: 1}))
		require.ErrorIs(t, <-w.handle(Task{ID: "large", Epoch: 2}), ErrCapacity)
		w.store.set(func(s *fakeStore) { s.verdicts["small"] = Stop })
		time.Sleep(2 * renewEvery)
		w.handle(Task{ID: "large", Epoch: 2})
		time.Sleep(2 * renewEvery)
		require.Equal(t, 1, r.opened("large"))
		require.Equal(t, string(media.WarnTooSlow), FakeStore{w.store}.Get("large").Warnings[0].Code)
		require.False(t, w.worker.Takes(true), "nothing comes beside it")
	})
}

func TestWhatIsLargerThanAnEmptyWorkerIsGivenBackForALargerOneAndDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := of("large")
		p.CreatedAt = time.Now().Add(-LargerTime) // it has queued for that long
		r := newRecoding(map[string]int{"large": 199})
		w := newCounted(r, p)
		defer w.close()
		w.store.set(func(s *fakeStore) { s.workers["w2"], s.limits["w2"] = true, 200*LeastCost })
		require.NoError(t, <-w.handle(Task{ID: "large", Epoch: 1}))
		require.Equal(t, 200*LeastCost, FakeStore{w.store}.Get("large").Cost, "the store knows by now")
		time.Sleep(LargerTime - time.Second)
		require.ErrorIs(t, <-w.handle(Task{ID: "large", Epoch: 2}), ErrCapacity)
		require.True(t, w.worker.Takes(false), "nor are cores kept for it")
		time.Sleep(2 * time.Second)
		w.handle(Task{ID: "large", Epoch: 2})
		synctest.Wait()
		require.Equal(t, 1, r.opened("large"), "the larger one may be full for ever")
	})
}

// changing is a copy whose picture must be re-encoded after a second.
type changing struct{ *recoding }

func (c changing) Play(ctx context.Context, job media.Job) error {
	c.plan(job, 0)
	if err := job.Fits(); err != nil {
		return err
	}
	job.Observer.Publishing()
	time.Sleep(time.Second)
	c.plan(job, 70)
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestACostThatChangesInTheMiddleIsCountedAnewAndNobodyIsThrownOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCounted(changing{newRecoding(nil)}, of("a"), of("b"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		w.handle(Task{ID: "b", Epoch: 1})
		time.Sleep(3 * renewEvery)
		require.Equal(t, 2, w.worker.Running())
		require.Equal(t, 142*LeastCost, w.told().Capacity.Taken)
		require.Equal(t, 71*LeastCost, FakeStore{w.store}.Get("a").Cost, "whoever takes it over knows")
		require.False(t, w.worker.Takes(true))
	})
}

func TestTwiceWhatAWorkerCarriesIsOfferedAndItNeverCarriesMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoding(map[string]int{})
		var pushes []Push
		for i := range 40 { // of 200 units: 20 re-encodes of 9, and 20 copies
			id := string(rune('A' + i))
			if i%2 == 0 {
				r.units[id] = 8
			}
			pushes = append(pushes, of(id))
		}
		w := newCounted(r, pushes...)
		defer w.close()
		for _, p := range pushes {
			w.handle(TaskOf(p))
			require.LessOrEqual(t, w.worker.carried.place(Lease{}).Taken, 100*LeastCost)
		}
		time.Sleep(2 * renewEvery)
		for range pushes { // the queue brings again what was put back
			for _, p := range pushes {
				if p = (FakeStore{w.store}).Get(p.ID); p.State == Queued {
					w.handle(TaskOf(p))
					require.LessOrEqual(t, w.worker.carried.place(Lease{}).Taken, 100*LeastCost)
				}
			}
			time.Sleep(2 * renewEvery)
		}
		running, waits, full := 0, 0, w.told().Capacity.Full // which a sweeper says of who waits
		for _, p := range pushes {
			switch p := (FakeStore{w.store}).Get(p.ID); {
			case p.State == Publishing:
				running++
			case p.State == Queued && (full || p.Waiting == WaitingForCapacity):
				waits++
			}
		}
		require.Equal(t, len(pushes), running+waits)
		taken := w.told().Capacity.Taken
		require.LessOrEqual(t, taken, 100*LeastCost)
		require.Greater(t, taken, 90*LeastCost, "and is not idle either")
	})
}

func TestALookAtASourceIsAnsweredWhereNothingMoreFitsAndTakesNoCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecoding(map[string]int{"a": 80, "looked at": 30})
		looking := playerFunc(func(ctx context.Context, job media.Job) error {
			if job.Fits != nil {
				return r.Play(ctx, job)
			}
			r.plan(job, 30)
			_, _, err := job.MayOpenRoom(ctx)
			return err
		})
		w := newCounted(looking, of("a"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		f := w.worker.look(t.Context(), Question{ID: "q", Spec: of("looked at").Spec})
		require.Nil(t, f.Failure)
		require.Equal(t, media.Transcode, f.Plan.Video.Action)
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Stop })
		time.Sleep(2 * renewEvery)
		w.worker.look(t.Context(), Question{ID: "q", Spec: of("looked at").Spec})
		require.Zero(t, w.worker.carried.place(Lease{}).Taken)
	})
}

func TestAnAttemptThatHasEndedCostsNothingAnyMoreWhenThoseWhoWaitForItAreTold(t *testing.T) {
	w := &world{store: newFakeStore(of("a"))}
	w.worker = NewWorker(w.config("w1", lingerIn("")))
	w.handle(Task{ID: "a", Epoch: 1})
	var all []*attempt
	taken := func() Cost { return w.worker.carried.place(Lease{}).Taken }
	require.Eventually(t, func() bool { all = w.worker.snapshot(); return len(all) == 1 && taken() > 0 }, time.Minute, time.Millisecond)
	w.worker.mu.Lock() // nobody is told
	all[0].cancel(media.ErrLost)
	free := func() bool { return taken() == 0 }
	if !assert.Eventually(t, free, 10*time.Second, time.Millisecond) {
		w.worker.mu.Unlock()
		return
	}
	w.worker.mu.Unlock()
	<-all[0].done
}

func TestACopyCostsInItsNextWorkerWhatItsBitRateWasInTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := of("a")
		p.Epoch, p.StartedAt, p.Progress = 2, time.Now(), &media.Progress{Bitrate: 20_000_000}
		w := newCounted(newRecoding(nil), p)
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 2})
		synctest.Wait()
		require.Equal(t, LeastCost+Cost(bitCost*18_000_000), w.worker.carried.place(Lease{}).Taken, "its source does not tell, and nothing is sent yet")
	})
}
