package tasks

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// fakeQuestions carries one question to the worker and its answer back.
type fakeQuestions struct {
	holder  string
	err     error
	asked   chan Question
	answers chan Finding
	still   bool // Redis stands still
}

func newQuestions() *fakeQuestions {
	return &fakeQuestions{asked: make(chan Question, 1), answers: make(chan Finding, 1)}
}

func (q *fakeQuestions) Ask(ctx context.Context, question Question) (Finding, error) {
	if q.err != nil {
		return Finding{}, q.err
	}
	q.asked <- question
	return <-q.answers, nil
}

func (q *fakeQuestions) NextQuestion(ctx context.Context) (Question, error) {
	select {
	case question := <-q.asked:
		return question, nil
	case <-ctx.Done():
		return Question{}, &Error{Code: CodeNotFound}
	}
}

func (q *fakeQuestions) Answer(_ context.Context, _ string, f Finding) error {
	q.answers <- f
	return nil
}

func (q *fakeQuestions) Holder(ctx context.Context, _ uint32, _ string) (string, error) {
	if q.still {
		<-ctx.Done()
		return "", &Error{Code: CodeRedisUnavailable, Err: ctx.Err()}
	}
	return q.holder, nil
}

func TestAPreviewSaysWhatAStartWouldAndStartsNothing(t *testing.T) {
	d, q := newDesk(), newQuestions()
	d.service.Questions, d.service.Workers = q, fakeFleet{}
	p, err := d.service.Preflight(t.Context(), request(), false)
	require.NoError(t, err)
	require.Equal(t, "room", p.Spec.RoomID)
	r := request()
	r.Mode = "backwards"
	_, err = d.service.Preflight(t.Context(), r, false)
	require.Equal(t, CodeInvalidRequest, CodeOf(err))
	d.pushes.before = map[string]string{"key": "body"}
	r = request()
	r.IdempotencyKey, r.Body = "key", []byte("body")
	p, err = d.service.Preflight(t.Context(), r, false)
	require.NoError(t, err)
	require.Equal(t, "before", p.ID, "the push that a start would answer with")
	r.Body = []byte("other")
	_, err = d.service.Preflight(t.Context(), r, false)
	require.Equal(t, CodeIdempotencyReused, CodeOf(err))
	q.holder = "other"
	_, err = d.service.Preflight(t.Context(), request(), true)
	require.Equal(t, CodeUserBusy, CodeOf(err))
	require.Empty(t, d.queue.rung)
	require.Empty(t, d.pushes.created)
}

func TestAPreviewWaitsForRedisNoLongerThanOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, q := newDesk(), newQuestions()
		d.service.Questions, d.service.Workers = q, fakeFleet{}
		q.still = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := d.service.Preflight(ctx, request(), true)
		require.Equal(t, CodeRedisUnavailable, CodeOf(err))
		require.LessOrEqual(t, time.Since(start), 3*time.Second)
	})
}

func TestAPreviewThatNoWorkerAnswersSaysSo(t *testing.T) {
	d, q := newDesk(), newQuestions()
	d.service.Questions, d.service.Workers = q, fakeFleet{}
	q.err = &Error{Code: CodeNotFound}
	p, err := d.service.Preflight(t.Context(), request(), true)
	require.NoError(t, err)
	require.EqualValues(t, WaitingForWorker, p.Trouble.Code)
}

func TestAPreviewSaysWhyThePushWouldWait(t *testing.T) {
	d := newDesk()
	for _, lack := range []Waiting{WaitingForSlot, WaitingForWorker} {
		d.service.Questions, d.service.Workers = newQuestions(), fakeFleet{lack}
		p, err := d.service.Preflight(t.Context(), request(), lack == WaitingForWorker)
		require.NoError(t, err, "nobody is asked where no worker is")
		require.EqualValues(t, lack, p.Trouble.Code)
	}
}

func TestAWorkerLooksAtASourceAndOpensNoRoom(t *testing.T) {
	plan := media.Plan{Video: &media.TrackPlan{Action: media.Copy}}
	for name, c := range map[string]struct {
		play playerFunc
		want Finding
	}{
		"one that plays": {
			func(ctx context.Context, job media.Job) error {
				job.Observer.Planned(media.SourceInfo{Container: "mp4"}, false, plan)
				_, _, err := job.MayOpenRoom(ctx)
				return err
			},
			Finding{Source: &SourceReport{Kind: "vod", Container: "mp4"}, Plan: &plan},
		},
		"one that is not there": {
			func(context.Context, media.Job) error {
				return &media.Error{Kind: media.KindSourceNotFound, Op: "open source"}
			},
			Finding{Failure: &Failure{Code: CodeSourceNotFound, Message: "the source is not there; check its address"}},
		},
		"one that answers nothing": {
			func(ctx context.Context, _ media.Job) error {
				<-ctx.Done()
				return context.Cause(ctx)
			},
			Finding{Failure: &Failure{Code: CodeSourceUnavailable, Retryable: true,
				Message: "the source could not be looked at within 12s: its server answers slowly, or not at all"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, q := newWorld(c.play), newQuestions()
				defer w.close()
				ctx, cancel := context.WithCancel(t.Context())
				var working sync.WaitGroup
				working.Go(func() { w.worker.AnswerQuestions(ctx, q) })
				got, err := q.Ask(ctx, Question{ID: "a", Envelope: "sealed"})
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				cancel()
				working.Wait()
			})
		})
	}
}
