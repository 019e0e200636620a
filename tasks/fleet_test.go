package tasks

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// told is what w's worker told of itself last.
func (w *world) told() WorkerReport {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.report
}

func TestAWorkerTellsWhatItIsWithEachRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		want := WorkerReport{Name: "w1", Version: "v1", Slots: 2, Since: began, State: WorkerReady, Keys: []string{"key"}}
		require.Equal(t, want, w.told())
		w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(renewEvery)
		want.Used = 1
		require.Equal(t, want, w.told())
		w.worker.Refuse()
		synctest.Wait() // it tells so at once
		want.State = WorkerDraining
		require.Equal(t, want, w.told())
	})
}

func TestAWorkerTellsWhatItTakesOfItsMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, memory, began := &world{store: newFakeStore()}, &fakeMemory{base: 100}, time.Now()
		c := w.config("w1", playFor(time.Hour))
		c.Memory, c.CPU = memory, func() time.Duration { return time.Since(began) * 3 / 2 }
		w.worker = NewWorker(c)
		ctx, cancel := context.WithCancel(context.Background())
		w.stop = cancel
		w.ran.Go(func() { w.worker.Run(ctx) })
		defer w.close()
		synctest.Wait()
		require.Nil(t, w.told().Load, "nothing is measured yet")
		time.Sleep(renewEvery)
		synctest.Wait()
		require.Equal(t, &Load{Cores: 1.5, Memory: 100, Limit: 1000}, w.told().Load)
		memory.set(func(m *fakeMemory) { m.base = 200 })
		w.worker.askRenew()
		synctest.Wait()
		require.EqualValues(t, 100, w.told().Load.Memory, "renews that follow at once measure nothing")
		time.Sleep(renewEvery)
		synctest.Wait()
		require.Equal(t, &Load{Cores: 1.5, Memory: 200, Limit: 1000}, w.told().Load)
		memory.set(func(m *fakeMemory) { m.err = errors.New("unreadable") })
		time.Sleep(renewEvery)
		synctest.Wait()
		require.Equal(t, 1.5, w.told().Load.Cores, "the one is told without the other")
	})
}

func TestAWorkerThatTakesNoPushTellsWhy(t *testing.T) {
	for want, happens := range map[WorkerState]func(m *fakeMemory){
		WorkerNoMemory: func(m *fakeMemory) {
			m.set(func(m *fakeMemory) { m.base = 800 })
		},
		WorkerReady: func(*fakeMemory) {},
	} {
		t.Run(string(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := &fakeMemory{base: 100}
				w, _ := newWatchedMemory(playFor(time.Hour), memory, queued("a"))
				defer w.close()
				w.handle(Task{ID: "a", Epoch: 1})
				synctest.Wait()
				happens(memory)
				time.Sleep(5 * time.Second)
				require.Equal(t, want, w.told().State)
			})
		})
	}
}

// fakeFleet knows one worker.
type fakeFleet struct{ lack Waiting }

func (f fakeFleet) Fleet(_ context.Context, key string) (Fleet, error) {
	return Fleet{Key: key, Lack: f.lack, Workers: []WorkerReport{{Name: "w", Keys: []string{"key"}}}}, nil
}

func TestTheServiceAsksForTheFleetWithTheKeyThatItSealsWith(t *testing.T) {
	s := &Service{Workers: fakeFleet{}, Sealer: fakeSealer{}}
	f, err := s.Fleet(t.Context())
	require.NoError(t, err)
	require.True(t, f.Opens(f.Workers[0]))
}

func TestEveryReasonToWaitIsSaidInWords(t *testing.T) {
	for _, why := range Waitings() {
		require.NotEmpty(t, why.Message(), why)
	}
}

func TestAttemptsMeasureTheirWorkerAtTheSameTime(t *testing.T) {
	w := &Worker{WorkerConfig: WorkerConfig{Machine: Machine{CPU: func() time.Duration { return 0 }}}}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { w.measure() })
	}
	all.Wait()
}
