package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Question asks a worker what a source is and what would be done with it. It
// may be read once, within QuestionTime.
type Question struct {
	ID       string `json:"id"` // as a push's: the envelope is bound to it
	Spec     Spec   `json:"spec"`
	Envelope string `json:"envelope"`
}

// Finding is what a worker answers.
type Finding struct {
	Source  *SourceReport `json:"source,omitempty"`
	Plan    *media.Plan   `json:"plan,omitempty"`
	Failure *Failure      `json:"failure,omitempty"` // why a push of it would fail at once
}

const (
	// QuestionTime is how long a question waits for its answer.
	QuestionTime = 15 * time.Second
	// openTimeout bounds the opening of a source for a question.
	openTimeout = 12 * time.Second
)

// QuestionStore carries questions to workers and findings back. Its errors are
// *Error: CodeNotFound without a question, or an answer, in time, or
// CodeRedisUnavailable.
type QuestionStore interface {
	Ask(ctx context.Context, q Question) (Finding, error)
	// NextQuestion waits for one for about a second.
	NextQuestion(ctx context.Context) (Question, error)
	Answer(ctx context.Context, id string, f Finding) error
	// Holder returns the push that has not ended and publishes as a user, "" for
	// none.
	Holder(ctx context.Context, app uint32, user string) (string, error)
}

// Preflight is Start without the start: it returns the push that it would be, or
// the *Error. With look, a worker opens the source: the push has its tracks and
// the plan, or the Failure of one that would fail at once.
func (s *Service) Preflight(ctx context.Context, r Request, look bool) (Push, error) {
	reads, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	spec, secrets, err := s.check(r, time.Now())
	if err != nil {
		return s.repeated(reads, r, err)
	}
	n, err := s.newPush(r, spec, secrets)
	if err != nil {
		return Push{}, err
	}
	if p, err := s.repeated(reads, r, errNew); !errors.Is(err, errNew) {
		return p, err
	}
	p := n.Push
	holder, err := s.Questions.Holder(reads, spec.SDKAppID, spec.UserID)
	switch {
	case err != nil:
		return Push{}, err
	case holder != "":
		return Push{}, UserBusy(holder)
	}
	fleet, err := s.Fleet(reads)
	if err != nil {
		return Push{}, err
	}
	if fleet.Lack != "" {
		p.Trouble = fleet.Lack.Trouble(time.Now())
	}
	if !look || fleet.Lack != "" && fleet.Lack != WaitingForSlot && fleet.Lack != WaitingForCapacity { // nobody would answer
		return p, nil
	}
	f, err := s.Questions.Ask(ctx, Question{ID: p.ID, Spec: spec, Envelope: n.Envelope})
	switch {
	case err != nil && CodeOf(err) == CodeNotFound:
		p.Trouble = WaitingForWorker.Trouble(time.Now())
		p.Trouble.Message = fmt.Sprintf("no worker has looked at the source within %v: none is running, or all are busy", QuestionTime)
		return p, nil
	case err != nil:
		return Push{}, err
	}
	p.Source, p.Plan, p.Failure = f.Source, f.Plan, f.Failure
	return p, nil
}

// errNew says that nothing was started under a request's idempotency key.
var errNew = errors.New("not started before")

// UserBusy is why a push is refused whose user publishes in another one.
func UserBusy(holder string) *Error {
	return &Error{Code: CodeUserBusy, Msg: "this user of this app is publishing already, in push " + holder + "; stop that one, or use another userId", Holder: holder}
}

// AnswerQuestions answers questions one after another until ctx ends. A worker
// that takes no pushes for the moment leaves them to others.
func (w *Worker) AnswerQuestions(ctx context.Context, store QuestionStore) {
	for ctx.Err() == nil {
		if !w.opens() {
			pause(ctx, time.Second)
			continue
		}
		q, err := store.NextQuestion(ctx)
		switch {
		case err != nil && CodeOf(err) != CodeNotFound:
			pause(ctx, time.Second)
			continue
		case err != nil:
			continue
		}
		f := w.look(ctx, q)
		if err := store.Answer(ctx, q.ID, f); err != nil {
			w.Log.Warn("a question could not be answered", "push_id", q.ID, "error", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// errLooked ends a play before its room is opened.
var errLooked = errors.New("looked at")

// look plays q's source up to the door of the room.
func (w *Worker) look(ctx context.Context, q Question) Finding {
	secrets, err := w.Sealer.Open(q.ID, q.Envelope)
	if err != nil {
		return Finding{Failure: &Failure{Code: CodeInternal, Message: ErrNoKey.Error(), Retryable: true}}
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	a := newAttempt(Lease{ID: q.ID, Epoch: 1, Worker: w.Name}, Push{ID: q.ID, Spec: q.Spec})
	a.secrets.Secrets, a.meter, a.askRenew = secrets, media.NewMeter(0), func() {}
	a.log = w.Log.With("push_id", q.ID)
	job := w.job(a, q.Spec.Options.StartAt)
	job.Retry = func(media.Kind) media.Retry { return media.Retry{} }
	job.Fits = nil // it is not played
	job.MayOpenRoom = func(context.Context) (context.Context, context.CancelFunc, error) { return nil, nil, errLooked }
	err = w.play(ctx, a, job)
	f := Finding{Source: a.source, Plan: a.plan}
	switch {
	case errors.Is(err, errLooked), err == nil:
	case ctx.Err() != nil:
		f.Failure = &Failure{Code: CodeSourceUnavailable, Retryable: true,
			Message: fmt.Sprintf("the source could not be looked at within %v: its server answers slowly, or not at all", openTimeout)}
	default:
		f.Failure = FailureOf(err)
	}
	return f
}
