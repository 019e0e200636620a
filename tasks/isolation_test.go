package tasks

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// struck is a queued push that must run alone.
func struck(id string) Push {
	p := queued(id)
	p.Strikes, p.Epoch = IsolationStrikes, 3
	return p
}

func TestAnIsolatedPushThatDoesNotSettleOpensItsWorkerAfterAMinute(t *testing.T) {
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
		w := newWorld(restless, struck("b"), queued("c"))
		defer w.close()
		b := w.handle(Task{ID: "b", Epoch: 3})
		time.Sleep(50 * time.Second)
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrIsolated)
		time.Sleep(11 * time.Second)
		c := w.handle(Task{ID: "c", Epoch: 1})
		synctest.Wait()
		require.Equal(t, 2, w.worker.Running())
		require.NoError(t, <-b)
		require.NoError(t, <-c)
	})
}

func TestAPushThatHasWaitedForAnEmptyWorkerRunsBesideOneOtherAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waiting := struck("b")
		waiting.Waiting, waiting.Trouble = WaitingForEmpty, WaitingForEmpty.Trouble(time.Now())
		w := newWorld(playFor(time.Hour), queued("a"), waiting, queued("c"))
		defer w.close()
		w.worker.Slots = 3
		a := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(IsolationTime - time.Second)
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 3}), ErrIsolated)
		time.Sleep(time.Second)
		b := w.handle(Task{ID: "b", Epoch: 3})
		synctest.Wait()
		require.Equal(t, 2, w.worker.Running())
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrIsolated)
		w.worker.Close()
		require.NoError(t, <-a)
		require.NoError(t, <-b)
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
				require.Empty(t, w.store.successors)
				require.Zero(t, w.worker.slots)
			})
		})
	}
}
