package tasks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// noted is WorkerMetrics and SweepMetrics that writes down what it is told.
type noted struct {
	mu    sync.Mutex
	lines []string
}

func (t *noted) note(format string, values ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, values...))
}

func (t *noted) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines
	t.lines = nil
	return lines
}

func (t *noted) Began()                            { t.note("began") }
func (t *noted) Opened(o Opening, d time.Duration) { t.note("opened %s after %v", o, d) }
func (t *noted) Reconnecting(s Side)               { t.note("reconnecting %s", s) }
func (t *noted) Ended(s State, c Code)             { t.note("ended %s %s", s, c) }
func (t *noted) Refused(err error)                 { t.note("refused: %v", err) }
func (t *noted) TookOver(e Expired, n Taken)       { t.note("took over %s %s", e.Push.State, n.State) }
func (t *noted) Renewed(_ time.Duration, err error) {
	if err != nil {
		t.note("renew failed")
	}
}

func TestWhatAttemptsDoIsToldOnce(t *testing.T) {
	refused := &media.Error{Kind: media.KindRoomDenied, Op: "publish"}
	again := func(kind media.Kind) playerFunc {
		return func(ctx context.Context, job media.Job) error {
			job.Observer.Publishing()
			job.Observer.Reconnecting(&media.Error{Kind: kind}, 0, time.Time{})
			job.Observer.Publishing()
			return nil
		}
	}
	before := func(abandoned bool) func(*Push) {
		return func(p *Push) {
			p.Epoch, p.StartedAt, p.Abandoned = 2, time.Now().Add(-time.Minute), abandoned
			p.Progress = &media.Progress{UpdatedAt: time.Now().Add(-4 * time.Second)}
		}
	}
	for _, tt := range []struct {
		name   string
		player playerFunc
		change func(*Push)
		want   []string
	}{
		{"a push that is played to its end", playFor(time.Second), nil, []string{"began", "opened first after 2s", "ended completed "}},
		{"a push that fails before it publishes", func(context.Context, media.Job) error { return refused }, nil, []string{"began", "ended failed room_denied"}},
		{"a room that is opened twice", again(media.KindRoomClosed), nil, []string{"began", "opened first after 2s", "reconnecting room", "ended completed "}},
		{"a source that is opened twice", again(media.KindSourceStalled), nil, []string{"began", "opened first after 2s", "reconnecting source", "ended completed "}},
		{"a push whose worker vanished", playFor(time.Second), before(true), []string{"began", "opened takeover after 4s", "ended completed "}},
		{"a push that was given back", playFor(time.Second), before(false), []string{"began", "opened handover after 4s", "ended completed "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.CreatedAt = time.Now().Add(-2 * time.Second)
				if tt.change != nil {
					tt.change(&p)
				}
				w := newWorld(tt.player, p)
				defer w.close()
				metrics := &noted{}
				w.worker.Metrics = metrics
				require.NoError(t, <-w.handle(Task{ID: "a", Epoch: p.Epoch}))
				require.Equal(t, tt.want, metrics.take())
			})
		})
	}
}

func TestAPushThatIsReleasedToStopIsToldToHaveStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		metrics := &noted{}
		w.worker.Metrics = metrics
		done := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		w.store.set(func(s *fakeStore) {
			p := s.pushes["a"]
			p.Desired = DesiredStop
			s.pushes["a"] = p
		})
		w.worker.Drain(t.Context())
		require.NoError(t, <-done)
		lines := metrics.take()
		require.Equal(t, "ended stopped ", lines[len(lines)-1])
	})
}

func TestAPushThatFailsWhenItIsToStopIsToldAsItsRecordSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w *world
		w = newWorld(playerFunc(func(context.Context, media.Job) error {
			w.store.set(func(s *fakeStore) {
				p := s.pushes["a"]
				p.Desired = DesiredStop
				s.pushes["a"] = p
			})
			return &media.Error{Kind: media.KindRoomDenied, Op: "publish"}
		}), queued("a"))
		defer w.close()
		metrics := &noted{}
		w.worker.Metrics = metrics
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}), "its task has not failed, either")
		require.Equal(t, []string{"began", "ended stopped "}, metrics.take())
	})
}

func TestRefusalsAndFailedRenewsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"), queued("b"))
		defer w.close()
		metrics := &noted{}
		w.worker.Metrics = metrics
		w.store.set(func(s *fakeStore) { s.sealedBy = "another" })
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 1}), ErrNoKey)
		w.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(1500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.away = false })
		require.ErrorIs(t, <-w.handle(Task{ID: "b", Epoch: 1}), ErrUnsure)
		require.False(t, w.worker.Takes(true), "another worker is to find it")
		require.Equal(t, []string{"refused: " + ErrNoKey.Error(), "renew failed", "refused: " + ErrUnsure.Error()}, metrics.take())
	})
}

func TestAWorkersTotalsKeepWhatHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(ctx context.Context, job media.Job) error {
			job.Observer.Publishing()
			job.Meter.GoOnFrom(media.Progress{}) // counts nothing
			<-ctx.Done()
			return context.Cause(ctx)
		}), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		require.Equal(t, 1, w.worker.SlotsTaken())
		w.worker.past = media.Totals{Bytes: 5}
		require.EqualValues(t, 5, w.worker.Totals().Bytes)
		w.worker.attempts["a"].cancel(media.ErrStopped)
		require.NoError(t, <-done)
		require.EqualValues(t, 5, w.worker.Totals().Bytes)
		require.Zero(t, w.worker.SlotsTaken())
	})
}

func TestASweeperTellsWhatItTookOver(t *testing.T) {
	_, _, s := newSweep(Publishing)
	metrics := &noted{}
	s.Metrics = metrics
	s.sweep(t.Context())
	require.Empty(t, metrics.take())
	s.sweep(t.Context())
	require.Equal(t, []string{"took over publishing queued"}, metrics.take())
}

func TestFailureCodesAreThoseOfFailedPushes(t *testing.T) {
	codes := FailureCodes()
	for _, err := range []error{errors.New("x"), &media.Error{Kind: media.KindRoomKicked}, &media.Error{Kind: media.KindSourceTLS}} {
		require.Contains(t, codes, FailureOf(err).Code)
	}
	require.Contains(t, codes, Poisoned().Code)
	require.Contains(t, codes, Damaged().Code)
}

func TestAWorkerThatEndsHasNotFailedToRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour))
		defer w.close()
		metrics := &noted{}
		w.worker.Metrics = metrics
		w.store.set(func(s *fakeStore) { s.away = true })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w.worker.renew(ctx)
		assert.Empty(t, metrics.take())
	})
}
