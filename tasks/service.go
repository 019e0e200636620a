package tasks

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/roomcast/roomcast/media"
)

// Patience is how long a Start waits for a Redis that is away. What it then
// takes back has half as long, so that a client hears of it within 3 s; where
// another server takes over in a few seconds, waiting that out serves it better.
const (
	Patience         = 2 * time.Second
	FailoverPatience = 10 * time.Second
)

// Destinations is the part of a media.Door that a request needs.
type Destinations interface {
	// Check says what is wrong with d at now: *media.DestinationProblem, or
	// several of them joined.
	Check(d media.Destination, now time.Time) error
	// Rules says what a room takes: nobody may ask for a larger picture.
	Rules() media.Rules
}

// ResumeTargets knows which Redis servers a request may name.
type ResumeTargets interface {
	Allowed(t ResumeTarget) bool
}

// Records is where pushes are written down.
type Records struct {
	Pushes  PushStore
	Repeats RepeatStore
	Stops   StopStore
}

// Service starts, stops and shows pushes. It is safe for concurrent use.
type Service struct {
	Records
	Workers FleetStore
	Queue   Queue
	Sealer  Sealer
	Door    Destinations
	Sources SourceChecker
	Resume  ResumeTargets
	// Questions has workers look at sources, for Preflight.
	Questions QuestionStore
	Previews  LookStore // nil: there are none
	// MaxDuration is how long a push may be in its room; 0 is no limit.
	MaxDuration time.Duration
	Callbacks   Callbacks
	Patience    time.Duration // 0: the constant Patience
	Log         *slog.Logger
}

func (s *Service) patience() time.Duration { return cmp.Or(s.Patience, Patience) }

// Start checks r, records the push and enqueues its first attempt. With an
// idempotency key seen before it returns the push of then, replayed. Errors are
// *Error.
func (s *Service) Start(ctx context.Context, r Request) (p Push, replayed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	spec, secrets, err := s.check(r, time.Now())
	if err != nil {
		p, err = s.repeated(ctx, r, err)
		return p, err == nil, err
	}
	n, err := s.newPush(r, spec, secrets)
	if err != nil {
		return Push{}, false, err
	}
	push, created, err := s.create(ctx, n)
	switch {
	case isAway(err): // a create whose answer never came may have happened
		return Push{}, false, s.abort(ctx, n.Push, &Error{
			Code: CodeRedisUnavailable, Retryable: true, Err: err, Msg: "Redis is away; try again in a moment",
		})
	case err != nil || !created:
		return push, err == nil, err
	}
	if err := s.ring(ctx, push); err != nil {
		return Push{}, false, s.abort(ctx, push, &Error{
			Code: CodeQueueUnavailable, Retryable: true, Err: err,
			Msg: "the push could not be put into the queue; try again in a moment",
		})
	}
	s.Log.Info("push accepted", "push_id", push.ID, "room_id", spec.RoomID, "source_host", spec.SourceHost)
	return push, false, nil
}

// repeated returns the push that r has started before, or why r is refused now:
// a userSig may have run out since, or the operator's lists have changed.
func (s *Service) repeated(ctx context.Context, r Request, why error) (Push, error) {
	if r.IdempotencyKey == "" {
		return Push{}, why
	}
	var p Push
	var found bool
	err := retryWhile(ctx, isAway, func() (err error) {
		p, found, err = s.Repeats.Repeated(ctx, r.IdempotencyKey, s.Sealer.Digests(r.Body))
		return err
	})
	if err == nil && !found {
		err = why
	}
	return p, err
}

// create stores n, waiting out a Redis that fails over: with the id given,
// trying again cannot make two.
func (s *Service) create(ctx context.Context, n NewPush) (p Push, created bool, err error) {
	err = retryWhile(ctx, isAway, func() (err error) {
		p, created, err = s.Pushes.Create(ctx, n)
		return err
	})
	return p, created, err
}

// ring enqueues p's attempt; doing it twice rings once.
func (s *Service) ring(ctx context.Context, p Push) error {
	always := func(error) bool { return true }
	return retryWhile(ctx, always, func() error { return s.Queue.Enqueue(ctx, TaskOf(p), false) })
}

func (s *Service) newPush(r Request, spec Spec, secrets Secrets) (NewPush, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return NewPush{}, &Error{Code: CodeInternal, Msg: "no random numbers", Err: err}
	}
	envelope, err := s.Sealer.Seal(id.String(), secrets)
	if err != nil {
		return NewPush{}, &Error{Code: CodeInternal, Msg: "the secrets could not be sealed", Err: err}
	}
	if r.CallbackURL != "" {
		if spec.Callback, err = s.Sealer.Seal(CallbackName(id.String()), Secrets{CallbackURL: r.CallbackURL}); err != nil {
			return NewPush{}, &Error{Code: CodeInternal, Msg: "the callbackUrl could not be sealed", Err: err}
		}
	}
	n := NewPush{Envelope: envelope, Push: Push{
		ID: id.String(), State: Queued, Desired: DesiredRun, Spec: spec, Epoch: 1,
	}}
	if r.RoomWasNumber {
		n.Push.Warnings = []Warning{{Code: string(WarnStringRoom), Message: "roomId was sent as a number; the push goes into the string room " +
			spec.RoomID + ", which in TRTC is another room than the numeric one"}}
	}
	if r.IdempotencyKey != "" {
		n.IdempotencyKey, n.BodyDigests = r.IdempotencyKey, s.Sealer.Digests(r.Body)
	}
	return n, nil
}

// abort ends a push that was, or may have been, recorded and is not going to
// be rung, and returns why. Should its task be in the queue after all, the
// claim finds the push ended.
func (s *Service) abort(ctx context.Context, p Push, why *Error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience()/2)
	defer cancel()
	err := s.Stops.Abort(ctx, p.ID, Failure{Code: why.Code, Message: why.Msg, Retryable: true})
	if err != nil && CodeOf(err) != CodeNotFound {
		s.Log.Error("push could not be aborted", "push_id", p.ID, "error", err)
		why.Msg = "Redis is away; the push could be neither started nor taken back and may yet start by itself: ask for it by its id"
		why.Holder = p.ID
	}
	return why
}

// Stop asks for the end of a push, in any state, and returns what it has
// become. Asking again changes nothing.
func (s *Service) Stop(ctx context.Context, id string) (Push, error) {
	p, err := s.Stops.Stop(ctx, id)
	if err == nil {
		s.Log.Info("stop accepted", "push_id", id, "state", p.State)
	}
	return p, err
}

// StopSurely asks for the end of a push and waits out a Redis that is away,
// until ctx ends. It returns the last error of s.
func StopSurely(ctx context.Context, s StopStore, id string) error {
	return retryWhile(ctx, isAway, func() error {
		_, err := s.Stop(ctx, id)
		return err
	})
}

// Get returns a push, or an *Error with CodeNotFound.
func (s *Service) Get(ctx context.Context, id string) (Push, error) {
	return s.Pushes.Get(ctx, id)
}

// List returns a page of pushes, newest first.
func (s *Service) List(ctx context.Context, f Filter) (Page, error) {
	return s.Pushes.List(ctx, f)
}

// TaskOf returns the doorbell for p's present attempt.
func TaskOf(p Push) Task {
	return Task{
		ID: p.ID, Epoch: p.Epoch, Room: p.Spec.RoomID, User: p.Spec.UserID, SourceHost: p.Spec.SourceHost,
	}
}
