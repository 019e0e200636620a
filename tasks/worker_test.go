package tasks

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func TestAnAttemptPlaysToItsEndAndCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(5*time.Second), queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		end, ok := w.store.ended("a")
		require.True(t, ok)
		require.Equal(t, Completed, end.State)
		require.Zero(t, w.worker.Running())
		first := w.store.renewed()[0]
		require.Equal(t, Publishing, first.State)
		require.Equal(t, "vod", first.Source.Kind)
		require.GreaterOrEqual(t, len(w.store.renewed()), 5, "one renew a second")
		require.Nil(t, w.store.renewed()[2].Source, "what the store has is not sent again")
	})
}

func TestARefusedClaimIsDoneWith(t *testing.T) {
	for name, p := range map[string]Push{
		"gone":  {ID: "other"},
		"stale": {ID: "a", Epoch: 2, State: Queued},
		"ended": {ID: "a", Epoch: 1, State: Stopped},
		"held":  {ID: "a", Epoch: 1, State: Publishing, Worker: "w2"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(playFor(time.Hour), p)
				defer w.close()
				require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
			})
		})
	}
}

func TestAStoreThatIsAwayAtTheClaimBringsTheTaskBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		w.store.set(func(s *fakeStore) { s.away = true })
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 1}), errAway)
		require.Zero(t, w.worker.slots)
	})
}

func TestAStopVerdictEndsTheAttemptAsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(3500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Stop })
		begin := time.Now()
		w.worker.Nudge("a")
		require.NoError(t, <-done)
		require.Zero(t, time.Since(begin), "a nudge does not wait for the second")
		end, _ := w.store.ended("a")
		require.Equal(t, Stopped, end.State)
		require.InDelta(t, 3.5, end.Progress.Position.Seconds(), 0.11)
	})
}

func TestALostAttemptWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Lost })
		require.NoError(t, <-done)
		_, ended := w.store.ended("a")
		require.False(t, ended)
		require.Empty(t, w.store.released)
	})
}

func TestADrainGivesEveryPushBackAndRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"), queued("b"))
		defer w.close()
		doneA, doneB := w.handle(Task{ID: "a", Epoch: 1}), w.handle(Task{ID: "b", Epoch: 1})
		time.Sleep(2 * time.Second)
		w.worker.Drain(t.Context())
		require.NoError(t, <-doneA)
		require.NoError(t, <-doneB)
		require.Equal(t, map[string]int64{"a": 2, "b": 2}, w.store.released)
		require.Len(t, w.queue.rung, 2)
		require.Equal(t, 2, w.queue.front)
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 2}), ErrDraining)
	})
}

func TestAnEndIsWrittenOnceRedisIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(5*time.Second), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2 * time.Second)
		w.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(time.Minute)
		require.Equal(t, 1, w.worker.Running(), "the attempt is kept until its end is written")
		w.store.set(func(s *fakeStore) { s.away = false })
		require.NoError(t, <-done)
		end, _ := w.store.ended("a")
		require.Equal(t, Completed, end.State)
	})
}

func TestAPushGoesOnWithoutRedisUpToTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Hour), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2 * time.Second)
		begin := time.Now()
		w.store.set(func(s *fakeStore) { s.away = true })
		require.NoError(t, <-done)
		require.InDelta(t, 121, time.Since(begin).Seconds(), 2)
	})
}

func TestATaskDeliveredTwiceWaitsWithTheOneThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plays := 0
		w := newWorld(playerFunc(func(ctx context.Context, job media.Job) error {
			plays++
			return playFor(5*time.Second)(ctx, job)
		}), queued("a"))
		defer w.close()
		first := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(time.Second)
		second := w.handle(Task{ID: "a", Epoch: 1})
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.Equal(t, 1, plays)
	})
}

func TestAPushThatFailsIsShownAsFailedByEachTaskThatWaitedWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(context.Context, media.Job) error {
			time.Sleep(time.Second)
			return &media.Error{Kind: media.KindSourceNotFound, Op: "open source"}
		}), queued("a"))
		defer w.close()
		w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		failed, is := errors.AsType[*PushFailed](w.worker.Handle(t.Context(), Task{ID: "a", Epoch: 1}))
		require.True(t, is)
		require.Equal(t, CodeSourceNotFound, failed.Failure.Code)
	})
}

func TestAFullWorkerSendsTheTaskBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(5*time.Second), queued("a"), queued("b"), queued("c"))
		defer w.close()
		a, b := w.handle(Task{ID: "a", Epoch: 1}), w.handle(Task{ID: "b", Epoch: 1})
		synctest.Wait()
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrFull)
		require.NoError(t, <-a)
		require.NoError(t, <-b)
	})
}

func TestAFailureCarriesTheRoomsOwnWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(context.Context, media.Job) error {
			return &media.Error{Kind: media.KindRoomDenied, Op: "publish", Code: "NetStream.Publish.Denied", Words: "package not bought"}
		}), queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		end, _ := w.store.ended("a")
		require.Equal(t, Failed, end.State)
		require.Equal(t, CodeRoomDenied, end.Failure.Code)
		require.Contains(t, end.Failure.Message, "package not bought")
		require.False(t, end.Failure.Retryable)
	})
}

func TestTheRoomMayBeOpenedOnlyWithAFreshLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := make(chan time.Time, 1)
		w := newWorld(playerFunc(func(ctx context.Context, job media.Job) error {
			time.Sleep(10 * time.Second)
			_, cancel, err := job.MayOpenRoom(ctx)
			if err != nil {
				return err
			}
			cancel()
			opened <- time.Now()
			return nil
		}), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		w.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(30 * time.Second)
		require.Empty(t, opened)
		w.store.set(func(s *fakeStore) { s.away = false })
		require.NoError(t, <-done)
		require.Len(t, opened, 1)
	})
}

func TestTheQueueIsToldThatAPushHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(context.Context, media.Job) error {
			return &media.Error{Kind: media.KindSourceNotFound, Op: "open source"}
		}), queued("a"))
		defer w.close()
		err := w.worker.Handle(t.Context(), Task{ID: "a", Epoch: 1})
		require.EqualError(t, err, "source_not_found: the source is not there; check its address")
	})
}

func TestEventsAreNumberedAndSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(ctx context.Context, job media.Job) error {
			job.Observer.Publishing()
			time.Sleep(1500 * time.Millisecond)
			job.Observer.Reconnecting(&media.Error{Kind: media.KindRoomClosed, Op: "publish"}, time.Second, time.Now().Add(time.Minute))
			time.Sleep(time.Second)
			job.Observer.Publishing()
			job.Observer.Warned("long_gop", "words")
			time.Sleep(5 * time.Second)
			return nil
		}), queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		var seqs []int64
		for _, e := range w.store.events() {
			seqs = append(seqs, e.Seq)
		}
		require.Equal(t, []int64{1, 2, 3}, seqs, "a trouble, a warning, and the end of the trouble")
	})
}

func TestRedisTrueStartsWhereTheLastPushStoodAndSavesEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Spec.Redis = true
		w := newWorld(playFor(10*time.Second), p)
		defer w.close()
		w.resume.records = map[string]ResumeRecord{"k": {Position: time.Minute}}
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(5500 * time.Millisecond)
		require.InDelta(t, 65, w.resume.all()["k"].Position.Seconds(), 0.6)
		require.NoError(t, <-done)
		require.True(t, w.resume.all()["k"].Finished)
		require.Equal(t, "a", w.resume.all()["k"].PushID)
		end, _ := w.store.ended("a")
		require.Equal(t, time.Minute, end.Progress.Resumed)
	})
}

func TestAFinishedSourceStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Spec.Redis = true
		w := newWorld(playFor(2*time.Second), p)
		defer w.close()
		w.resume.records = map[string]ResumeRecord{"k": {Position: time.Minute, Finished: true}}
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		end, _ := w.store.ended("a")
		require.Less(t, end.Progress.Position, 3*time.Second)
		require.Zero(t, end.Progress.Resumed)
	})
}

func TestRedisFalseNeitherReadsNorWritesARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(3*time.Second), queued("a"))
		defer w.close()
		w.resume.records = map[string]ResumeRecord{"k": {Position: time.Minute}}
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		require.Equal(t, time.Minute, w.resume.all()["k"].Position)
	})
}

func TestTroubleWithAResumeRecordIsAWarningAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Spec.Redis = true
		w := newWorld(playFor(5*time.Second), p)
		defer w.close()
		w.resume.err = context.DeadlineExceeded
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		end, _ := w.store.ended("a")
		require.Equal(t, Completed, end.State)
		warnings := eventsOf(append(w.store.events(), end.Events...), EventWarning)
		require.Len(t, warnings, 2, "one for the read, one for the first write")
		require.EqualValues(t, WarnResume, warnings[0].Code)
	})
}

func TestALaterAttemptStartsWhereThePushStood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Epoch, p.StartedAt, p.Progress = 2, time.Now(), &media.Progress{Position: 42 * time.Second}
		w := newWorld(playFor(2*time.Second), p)
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 2}))
		end, _ := w.store.ended("a")
		require.InDelta(t, 44, end.Progress.Position.Seconds(), 0.2)
	})
}

func TestARecordThatIsGoneIsWrittenAnewAndThePushGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(10*time.Second), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(3500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.verdicts["a"] = Gone })
		require.NoError(t, <-done)
		require.Len(t, w.store.registered, 1)
		r := w.store.registered[0]
		require.Equal(t, Publishing, r.Push.State)
		require.Equal(t, "w1", r.Push.Worker)
		require.Equal(t, "sealed", r.Envelope)
		require.Equal(t, "vod", r.Push.Source.Kind)
		end, _ := w.store.ended("a")
		require.Equal(t, Completed, end.State)
	})
}

func TestAPushWithTwoStrikesRunsAloneUntilItHasSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		struck := queued("a")
		struck.Strikes = IsolationStrikes
		w := newWorld(playFor(30*time.Second), struck, queued("b"))
		defer w.close()
		b := w.handle(Task{ID: "b", Epoch: 1})
		synctest.Wait()
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 1}), ErrIsolated)
		require.NoError(t, <-b)
		a := w.handle(Task{ID: "a", Epoch: 1})
		synctest.Wait()
		w.store.set(func(s *fakeStore) { s.pushes["c"] = queued("c") })
		require.ErrorIs(t, <-w.handle(Task{ID: "c", Epoch: 1}), ErrIsolated)
		time.Sleep(SettleTime)
		c := w.handle(Task{ID: "c", Epoch: 1})
		require.NoError(t, <-a)
		require.NoError(t, <-c)
	})
}

func TestAnAttemptSettlesAfterTenSecondsOfPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(20*time.Second), queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		for i, r := range w.store.renewed() {
			require.Equal(t, i >= 10, r.Settled, i)
		}
	})
}

func TestALaterAttemptOfAPushThatNeverPublishedReadsTheResumeRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Epoch, p.Spec.Redis = 2, true
		w := newWorld(playFor(2*time.Second), p)
		defer w.close()
		w.resume.records = map[string]ResumeRecord{"k": {Position: time.Hour}}
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 2}))
		end, _ := w.store.ended("a")
		require.Greater(t, end.Progress.Position, time.Hour)
	})
}

func TestALostAttemptLeavesTheResumeRecordAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queued("a")
		p.Spec.Redis = true
		w := newWorld(playFor(time.Hour), p)
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(2500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(5 * time.Second)
		require.Less(t, w.resume.all()["k"].Position, 6*time.Second, "not saved without a fresh lease")
		require.NoError(t, w.resume.Save(t.Context(), ResumeTarget{}, "k", ResumeRecord{Position: time.Minute}))
		w.store.set(func(s *fakeStore) { s.away = false; s.verdicts["a"] = Lost })
		require.NoError(t, <-done)
		require.Equal(t, time.Minute, w.resume.all()["k"].Position)
	})
}

func TestWhatTheSourceWasIsKnownOfAnAttemptThatFailedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playerFunc(func(_ context.Context, job media.Job) error {
			job.Observer.Planned(media.SourceInfo{Container: "mov"}, false, media.Plan{Video: &media.TrackPlan{Action: media.Transcode, Reason: "B-frames"}})
			return &media.Error{Kind: media.KindSourceUnsupported, Op: "plan"}
		}), queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		require.Equal(t, "B-frames", w.store.renewed()[0].Plan.Video.Reason)
		end, _ := w.store.ended("a")
		require.Equal(t, Failed, end.State)
	})
}

func TestNothingIsClaimedForALeaseAfterARenewFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Second), queued("a"))
		defer w.close()
		w.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(1500 * time.Millisecond)
		w.store.set(func(s *fakeStore) { s.away = false })
		require.ErrorIs(t, <-w.handle(Task{ID: "a", Epoch: 1}), ErrUnsure)
		time.Sleep(3 * time.Second)
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		_, ended := w.store.ended("a")
		require.True(t, ended)
	})
}

func TestTwoRenewalsOfTheSameEventsTakeThemOnce(t *testing.T) {
	a := newAttempt(Lease{ID: "a", Epoch: 1}, queued("a"))
	a.meter, a.log, a.askRenew = media.NewMeter(0), slog.New(slog.DiscardHandler), func() {}
	a.Warned("one", "")
	now := time.Now()
	first, second := a.renewal(now), a.renewal(now)
	a.Warned("two", "")
	a.accepted(first, now)
	a.accepted(second, now)
	require.Len(t, a.lastReport().Events, 1)
	require.Equal(t, "two", a.lastReport().Events[0].Code)
}

func TestADialEndsWhenTheLeaseAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialled := make(chan time.Duration, 1)
		w := newWorld(playerFunc(func(ctx context.Context, job media.Job) error {
			leased, cancel, err := job.MayOpenRoom(ctx)
			if err != nil {
				return err
			}
			defer cancel()
			begin := time.Now()
			<-leased.Done()
			dialled <- time.Since(begin)
			return nil
		}), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(10500 * time.Millisecond)
		require.Empty(t, dialled, "renewed every second, it may take its time")
		w.store.set(func(s *fakeStore) { s.away = true })
		synctest.Wait()
		require.InDelta(t, 13, (<-dialled).Seconds(), 0.6)
		w.store.set(func(s *fakeStore) { s.away = false })
		require.NoError(t, <-done)
	})
}
