package tasks

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// covered is what the first attempt of a push tells before it is over.
var covered = [2]media.Coverage{{Taken: 8 * time.Second, Lost: 2 * time.Second, Until: 10 * time.Second}, {Taken: 10 * time.Second, Until: 10 * time.Second}}

func TestTheNextAttemptCountsCoverageOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var job media.Job
		p := queued("a")
		p.Epoch, p.StartedAt, p.Progress = 2, time.Now(), &media.Progress{Position: 10 * time.Second, Coverage: covered, UpdatedAt: time.Now()}
		w := newWorld(playerFunc(func(ctx context.Context, j media.Job) error {
			job = j
			return playFor(3*time.Second)(ctx, j)
		}), p)
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 2}))
		require.Equal(t, covered, job.Stood.Coverage)
		require.Equal(t, covered, w.store.renewed()[0].Progress.Coverage, "it is there from the first renew on")
		end, _ := w.store.ended("a")
		require.Equal(t, &TrackCoverage{TakenMs: 8000, LostMs: 2000}, CoverageOf(end.Progress).Video)
	})
}

func TestAPreparedAttemptGetsTheCoverageOfTheOneThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(queued("a"))
		defer p.close()
		stood := make(chan media.Progress, 1)
		p.worker.Player = playerFunc(func(ctx context.Context, job media.Job) error {
			job.Meter.GoOnFrom(media.Progress{Coverage: covered})
			return playFor(time.Hour)(ctx, job)
		})
		p.other.Player = playerFunc(func(ctx context.Context, job media.Job) error {
			got, err := job.TakeOver(ctx)
			stood <- got
			if err != nil {
				return err
			}
			return playFor(time.Hour)(ctx, job)
		})
		p.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2 * time.Second)
		drained := p.drain()
		next := p.hear(t)
		<-drained
		require.Equal(t, covered, (<-stood).Coverage)
		p.other.Close()
		require.NoError(t, <-next)
	})
}

func TestWhatTheSourceIsLikeIsToldOnceOverAllAttempts(t *testing.T) {
	for code, told := range map[media.WarningCode]int{media.WarnHole: 0, media.WarnLost: 0, media.WarnLongGOP: 0, "too_slow": 1} {
		t.Run(string(code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := queued("a")
				p.Epoch, p.StartedAt, p.Warnings = 2, time.Now(), []Warning{{Code: string(code), Message: "as before"}}
				w := newWorld(playerFunc(func(ctx context.Context, job media.Job) error {
					job.Observer.Publishing()
					job.Observer.Warned(code, "as before")
					job.Observer.Warned(code, "another")
					time.Sleep(2 * time.Second)
					return nil
				}), p)
				defer w.close()
				require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 2}))
				var before int
				for _, e := range w.store.events() {
					if e.Message == "as before" {
						before++
					}
				}
				require.Equal(t, told, before)
				var warnings []Warning // the renewals that tell none say that nothing has changed
				for _, r := range w.store.renewed() {
					if r.Warnings != nil {
						warnings = r.Warnings
					}
				}
				require.Equal(t, []Warning{{Code: string(code), Message: "as before"}, {Code: string(code), Message: "another"}}, warnings)
			})
		})
	}
}
