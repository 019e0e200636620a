package tasks

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// lonely is a queued push that must run alone.
func lonely(id string) Push {
	p := queued(id)
	p.Strikes, p.Epoch = LonelyStrikes, 3
	return p
}

func TestAReservedWorkerEmptiesAndThenRunsTheLonelyPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(20*time.Second), queued("a"), lonely("b"), queued("c"))
		defer w.close()
		a := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(5 * time.Second)
		w.store.set(func(s *fakeStore) { s.reserve = true })
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrCrowded)
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrReserved)
		time.Sleep(10 * time.Second)
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrReserved, "it asks again in time")
		require.NoError(t, <-a)
		b := w.handle(Task{ID: "b", Epoch: 3})
		synctest.Wait()
		require.Equal(t, 1, w.worker.Running())
		w.store.set(func(s *fakeStore) { s.reserve = false })
		require.NoError(t, <-b)
		require.NoError(t, <-w.handle(Task{ID: "c", Epoch: 1}))
	})
}

func TestAReservedWorkerOpensWhenItIsToldSoOrCannotAsk(t *testing.T) {
	for name, change := range map[string]func(s *fakeStore){
		"told so":    func(s *fakeStore) { s.reserve = false },
		"cannot ask": func(s *fakeStore) { s.away = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(playFor(time.Hour), queued("a"), lonely("b"), queued("c"))
				a := w.handle(Task{ID: "a", Epoch: 1})
				synctest.Wait()
				w.store.set(func(s *fakeStore) { s.reserve = true })
				require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrCrowded)
				w.store.set(change)
				time.Sleep(3500 * time.Millisecond)
				_, err := w.worker.place(Lease{ID: "c", Epoch: 1})
				require.NoError(t, err)
				w.store.set(func(s *fakeStore) { s.away = false })
				w.close()
				require.NoError(t, <-a)
			})
		})
	}
}

func TestAReservedWorkerThatGoesAwayAsksNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"), lonely("b"))
		defer w.close()
		a := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		w.store.set(func(s *fakeStore) { s.reserve = true })
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrCrowded)
		time.Sleep(2500 * time.Millisecond)
		w.worker.Refuse()
		asked := len(w.store.asked)
		require.Equal(t, 3, asked)
		time.Sleep(5 * time.Second)
		require.Len(t, w.store.asked, asked)
		w.worker.Close()
		require.NoError(t, <-a)
	})
}

func TestAReservedWorkerTakesAPushThatHasViewers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resumed := queued("c")
		resumed.Epoch = 2
		w := newWorld(playFor(5*time.Second), queued("a"), lonely("b"), resumed)
		defer w.close()
		a := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		w.store.set(func(s *fakeStore) { s.reserve = true })
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrCrowded)
		require.NoError(t, <-w.handle(Task{ID: "c", Epoch: 2}))
		require.NoError(t, <-a)
	})
}

func TestAWorkerSaysWhenItWillBeEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Minute), queued("a"), lonely("b"))
		defer w.close()
		a := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(20 * time.Second)
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrCrowded)
		require.InDelta(t, 40, w.store.asked[0].EmptyIn.Seconds(), 1)
		require.NoError(t, <-a)
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(_ context.Context, job media.Job) error {
			job.Observer.Planned(media.SourceInfo{}, true, media.Plan{})
			time.Sleep(time.Minute)
			return nil
		}), queued("a"), lonely("b"))
		defer w.close()
		a := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrCrowded)
		require.Greater(t, w.store.asked[0].EmptyIn, ReserveTime, "nobody knows")
		require.NoError(t, <-a)
	})
}

func TestWhatIsLeftOfAPushCountsAllItsPlays(t *testing.T) {
	file := &SourceReport{Kind: "vod", DurationMs: time.Minute.Milliseconds()}
	for name, c := range map[string]struct {
		source  *SourceReport
		options media.Options
		left    time.Duration
		known   bool
	}{
		"a file":                 {file, media.Options{}, 40 * time.Second, true},
		"a part of it":           {file, media.Options{EndAt: 30 * time.Second}, 10 * time.Second, true},
		"three plays":            {file, media.Options{Repeat: 3, StartAt: 10 * time.Second}, 90 * time.Second, true},
		"plays without end":      {file, media.Options{Repeat: media.RepeatForever}, 0, false},
		"these, for a while":     {file, media.Options{Repeat: media.RepeatForever, MaxDuration: time.Minute}, 30 * time.Second, true},
		"a stream, for a while":  {&SourceReport{Kind: "live"}, media.Options{MaxDuration: time.Minute}, 30 * time.Second, true},
		"more time than it asks": {file, media.Options{MaxDuration: time.Hour}, 40 * time.Second, true},
		"a stream":               {&SourceReport{Kind: "live"}, media.Options{}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := queued("a")
			p.Spec.Options = c.options
			a := newAttempt(t.Context(), Lease{ID: "a", Epoch: 1}, p)
			a.meter, a.source, a.live = media.NewMeter(0), c.source, c.source.Kind == "live"
			a.meter.GoOnFrom(media.Progress{Position: 20 * time.Second, Loop: 1, Played: 30 * time.Second})
			left, known := a.left(time.Now())
			require.Equal(t, c.known, known)
			require.Equal(t, c.left, left)
		})
	}
}

func TestALonelyPushThatDoesNotSettleOpensItsWorkerAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		restless := playerFunc(func(ctx context.Context, job media.Job) error {
			for range 30 {
				job.Observer.Publishing()
				time.Sleep(5 * time.Second)
				job.Observer.Reconnecting(&media.Error{Kind: media.KindSourceStalled, Op: "read"}, time.Second, time.Now().Add(time.Minute))
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		w := newWorld(restless, lonely("b"), queued("c"))
		defer w.close()
		b := w.handle(Task{ID: "b", Epoch: 3})
		time.Sleep(50 * time.Second)
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrCrowded)
		time.Sleep(11 * time.Second)
		c := w.handle(Task{ID: "c", Epoch: 1})
		synctest.Wait()
		require.Equal(t, 2, w.worker.Running())
		require.NoError(t, <-b)
		require.NoError(t, <-c)
	})
}

func TestAWorkerWithoutTheKeyOfAPushSendsItsTaskBack(t *testing.T) {
	for name, change := range map[string]func(s *fakeStore){
		"queued": func(*fakeStore) {},
		"published elsewhere before": func(s *fakeStore) {
			p := s.pushes["a"]
			p.StartedAt = time.Now()
			s.pushes["a"] = p
		},
		"being handed over": func(s *fakeStore) {
			p := s.pushes["a"]
			p.State, p.Worker, p.Epoch = Publishing, "w2", 6
			s.pushes["a"], s.announced["a"] = p, 7
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.Epoch = 7
				w := newWorld(playFor(time.Hour), p)
				defer w.close()
				w.worker.Handovers = w.store
				w.store.set(func(s *fakeStore) { s.sealedBy = "another"; change(s) })
				require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 7}), ErrNoKey)
				_, ended := w.store.ended("a")
				require.False(t, ended, "the push is lost")
				require.Empty(t, w.store.released)
				require.Empty(t, w.store.heirs)
				require.Zero(t, w.worker.slots)
			})
		})
	}
}
