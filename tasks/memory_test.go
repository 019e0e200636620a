package tasks

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// fakeMemory is a Memory of 1000 bytes. What attempts take is theirs until they
// end.
type fakeMemory struct {
	mu    sync.Mutex
	base  int64
	taken map[string]int64 // by room
	freed int
	err   error
}

func (m *fakeMemory) Limit() int64 { return 1000 }

func (m *fakeMemory) Used() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used := m.base
	for _, n := range m.taken {
		used += n
	}
	return used, m.err
}

func (m *fakeMemory) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.freed++
}

func (m *fakeMemory) set(change func(m *fakeMemory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *fakeMemory) take(room string, n int64) {
	m.set(func(m *fakeMemory) {
		if m.taken == nil {
			m.taken = map[string]int64{}
		}
		m.taken[room] = n
	})
}

// of is a push into a room of its own, by which a player knows it.
func of(id string) Push {
	p := queued(id)
	p.Spec.RoomID = id
	return p
}

// newGuarded is a world whose worker watches itself, and its log.
func newWatchedMemory(p Player, m Memory, pushes ...Push) (*world, *bytes.Buffer) {
	w, log := &world{store: newFakeStore(pushes...)}, &bytes.Buffer{}
	c := w.config("w1", p)
	c.Slots, c.Memory, c.Log = 10, m, slog.New(slog.NewTextHandler(log, nil))
	w.worker = NewWorker(c)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	w.ran.Go(func() { w.worker.Run(ctx) })
	synctest.Wait()
	return w, log
}

// opening never publishes and takes memory until it ends.
func opening(m *fakeMemory, takes map[string]int64) playerFunc {
	return func(ctx context.Context, job media.Job) error {
		room := job.Destination.RoomID
		m.take(room, takes[room])
		defer m.take(room, 0)
		<-ctx.Done()
		return context.Cause(ctx)
	}
}

func TestAWorkerThatIsShortOfMemoryTakesNoNewPushAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMemory{base: 300}
		w, log := newWatchedMemory(playFor(time.Hour), m, queued("a"), queued("b"), queued("c"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		for _, share := range []int64{710, 680, 720} { // it does not flutter
			m.set(func(m *fakeMemory) { m.base = share })
			time.Sleep(2 * mostLook)
			require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 1}), ErrMemory)
		}
		require.False(t, w.worker.Takes(true), "another worker is to find it")
		require.Equal(t, 1, w.worker.Running(), "what runs goes on")
		require.Equal(t, 1, m.freed)
		m.set(func(m *fakeMemory) { m.base = 640 })
		time.Sleep(2 * mostLook)
		w.handle(Task{ID: "b", Epoch: 1})
		synctest.Wait()
		require.Equal(t, 2, w.worker.Running())
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "memory is nearly used up"))
		require.Equal(t, 1, strings.Count(log.String(), "there is memory again"))
	})
}

func TestAPushThatAWorkerHasNoHostForIsGivenBackAndTakenByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(context.Context, media.Job) error {
			return &media.Error{Kind: media.KindWorkerShort, Op: "start a media host"}
		}), queued("a"), queued("b"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		require.Equal(t, map[string]int64{"a": 2}, w.store.released)
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 2}), ErrMemory)
		require.False(t, w.worker.Takes(true), "another worker is to find it")
		synctest.Wait()
		require.Equal(t, WorkerNoMemory, w.told().State, "the fleet is told")
		time.Sleep(unfitTime)
		w.worker.Player = playFor(time.Hour)
		w.handle(Task{ID: "a", Epoch: 2})
		synctest.Wait()
		require.Equal(t, 1, w.worker.Running())
	})
}

func TestAShortWorkerPreparesNothingButGoesOnWithWhatItHasPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(queued("a"), queued("b"))
		defer p.close()
		m := &fakeMemory{}
		synctest.Wait() // it has begun without
		p.other.Memory = m
		watch, cancel := context.WithCancel(t.Context())
		defer cancel()
		p.ran.Go(func() { p.other.watch(watch) })
		p.handle(Task{ID: "a", Epoch: 1})
		p.handle(Task{ID: "b", Epoch: 1})
		time.Sleep(2 * time.Second)
		drained := p.drain()
		prepared := p.hear(t)
		synctest.Wait()
		m.set(func(m *fakeMemory) { m.base = 800 })
		time.Sleep(2 * mostLook)
		require.ErrorIs(t, <-p.hear(t), ErrMemory)
		<-drained
		synctest.Wait()
		require.Equal(t, 1, p.other.Running())
		p.other.Close()
		require.NoError(t, <-prepared)
	})
}

func TestTheYoungestAreEndedOneByOneUntilThereIsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMemory{base: 100}
		takes := map[string]int64{"a": 100, "b": 400, "c": 200, "d": 200}
		w, _ := newWatchedMemory(opening(m, takes), m, of("a"), of("b"), of("c"), of("d"))
		defer w.close()
		ends := map[string]chan error{}
		for _, id := range []string{"a", "b", "c", "d"} { // 1000 with the last
			ends[id] = w.handle(Task{ID: id, Epoch: 1})
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * mostLook)
		require.NoError(t, <-ends["d"])
		require.Equal(t, map[string]int64{"d": 2}, w.store.released, "the memory may be the others': it is brought again")
		require.Equal(t, WaitingForMemory, FakeStore{w.store}.Get("d").Waiting)
		require.ErrorIs(t, <-w.handle(Task{ID: "d", Epoch: 2}), ErrMemory, "another worker is to take it")
		require.Equal(t, 3, w.worker.Running(), "800 is below what is too much")
		m.set(func(m *fakeMemory) { m.base = 800 }) // whatever is ended, it is too much
		require.NoError(t, <-ends["c"])
		require.NoError(t, <-ends["b"])
		require.NoError(t, <-ends["a"])
		require.Equal(t, map[string]int64{"b": 2, "c": 2, "d": 2}, w.store.released)
		end, _ := w.store.ended("a")
		require.Equal(t, Failed, end.State, "it is alone")
		require.Equal(t, CodeSourceTooLarge, end.Failure.Code)
		require.Contains(t, end.Failure.Message, "memory was running out while the source was opened")
		require.False(t, end.Failure.Retryable)
	})
}

func TestASourceThatTakesTheMemoryAgainAndAgainIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, hungry := &fakeMemory{}, queued("hungry")
		hungry.Epoch = mostMemoryTries - 1
		w, _ := newWatchedMemory(playFor(time.Hour), m, queued("old"), hungry)
		defer w.close()
		w.handle(Task{ID: "old", Epoch: 1})
		time.Sleep(time.Second)
		end := w.handle(Task{ID: "hungry", Epoch: mostMemoryTries})
		time.Sleep(time.Second)
		m.set(func(m *fakeMemory) { m.base = 990 })
		require.NoError(t, <-end)
		ended, _ := w.store.ended("hungry")
		require.Equal(t, CodeSourceTooLarge, ended.Failure.Code)
	})
}

func TestWhatHasPlayedForLongIsNeverEndedForItsMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMemory{}
		w, _ := newWatchedMemory(playFor(time.Hour), m, queued("old"), queued("new"))
		defer w.close()
		w.handle(Task{ID: "old", Epoch: 1})
		time.Sleep(5 * time.Second)
		young := w.handle(Task{ID: "new", Epoch: 1})
		time.Sleep(SettleTime - time.Second) // 14 s and 9 s
		m.set(func(m *fakeMemory) { m.base = 990 })
		require.NoError(t, <-young)
		require.Equal(t, map[string]int64{"new": 2}, w.store.released)
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.worker.Running())
	})
}

func TestTheNextIsEndedOnlyWhenTheLastHasHadTimeToGiveItsMemoryBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMemory{}
		ended := make(chan time.Time, 2)
		w, _ := newWatchedMemory(playerFunc(func(ctx context.Context, job media.Job) error {
			m.take(job.Destination.RoomID, 450)
			<-ctx.Done()
			ended <- time.Now()
			time.Sleep(endingTime / 2) // libav takes a while
			m.take(job.Destination.RoomID, 0)
			return context.Cause(ctx)
		}), m, of("a"), of("b"))
		defer w.close()
		a, b := w.handle(Task{ID: "a", Epoch: 1}), w.handle(Task{ID: "b", Epoch: 1})
		time.Sleep(time.Minute)
		require.Len(t, ended, 1)
		require.Equal(t, 1, w.worker.Running())
		w.worker.Close()
		require.NoError(t, <-a)
		require.NoError(t, <-b)
	})
}

func TestAMemoryThatCannotBeReadIsSaidOnceAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMemory{base: 990, err: errors.New("no such file")}
		w, log := newWatchedMemory(playFor(time.Hour), m, queued("a"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.worker.Running())
		synctest.Wait()
		require.Equal(t, 1, strings.Count(log.String(), "memory cannot be watched"))
	})
}
