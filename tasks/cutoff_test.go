package tasks

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// over lists the renewals of attempts that had ended.
func (s *fakeStore) over() (list []Lease) {
	for _, r := range s.renewed() {
		if r.Over {
			list = append(list, r.Lease)
		}
	}
	return list
}

func TestAnAttemptThatTheCapEndedIsToldOfOnceRedisIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2 * time.Second)
		w.store.set(func(s *fakeStore) { s.away = true })
		require.NoError(t, <-done)
		time.Sleep(time.Minute)
		require.Empty(t, w.store.over())
		w.store.set(func(s *fakeStore) { s.away = false })
		time.Sleep(5 * time.Second)
		require.Equal(t, []Lease{{ID: "a", Epoch: 1, Worker: "w1"}}, w.store.over(), "once")
	})
}

func TestAnAttemptThatALaterOneReplacedHereIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(5*time.Second), queued("a"))
		defer w.close()
		first := w.handle(Task{ID: "a", Epoch: 1})
		begin := time.Now()
		time.Sleep(1500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { p := queued("a"); p.Epoch = 2; s.pushes["a"] = p })
		before := len(w.store.renewed())
		second := w.handle(Task{ID: "a", Epoch: 2})
		require.NoError(t, <-first)
		require.Equal(t, 1500*time.Millisecond, time.Since(begin), "at once")
		require.NoError(t, <-second)
		told := w.store.renewed()[before]
		require.Equal(t, Lease{ID: "a", Epoch: 1, Worker: "w1"}, told.Lease, "the store hears that its worker has not vanished")
	})
}

func TestWhatALateRenewCarriedIsSentAgain(t *testing.T) {
	for verdict, left := range map[Verdict]int{Kept: 0, Stop: 0, Late: 1, Lost: 1} {
		w := NewWorker(WorkerConfig{Log: slog.New(slog.DiscardHandler)})
		a := newAttempt(Lease{ID: "a", Epoch: 1}, queued("a"))
		a.meter, a.log, a.askRenew = media.NewMeter(0), w.Log, func() {}
		a.Warned("one", "")
		w.obey(a, verdict, a.renewal(time.Now()))
		require.Len(t, a.lastReport().Events, left, verdict)
		require.Equal(t, left == 1, a.renewal(time.Now()).Warnings != nil, verdict)
		require.Len(t, w.renewAsked, map[bool]int{true: 1}[verdict == Late])
	}
}

func TestWhatAnEndingAttemptTellsIsSentAgainWhenItWasLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(nil), queued("a"))
		defer w.close()
		a := newAttempt(Lease{ID: "a", Epoch: 1}, queued("a"))
		a.meter, a.log, a.askRenew = media.NewMeter(0), w.worker.Log, func() {}
		a.Warned("one", "")
		w.store.late = 2
		require.NoError(t, w.worker.tell(t.Context(), a))
		require.Nil(t, a.renewal(time.Now()).Warnings)
		require.Len(t, w.store.events(), 3)
	})
}

func TestAnEventThatCameWhileTheRecordWasWrittenAnewIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(10*time.Second), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2500 * time.Millisecond)
		a := w.worker.snapshot()[0]
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Gone })
		a.Warned("one", "")
		time.Sleep(5 * time.Second)
		told := slices.DeleteFunc(w.store.events(), func(e Event) bool { return e.Type != EventWarning })
		require.Len(t, told, 2, "with the renewal that found the record gone, and with the next")
		require.NoError(t, <-done)
	})
}
