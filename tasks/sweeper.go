package tasks

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// sweepEvery is how often a sweeper looks for expired leases.
	sweepEvery = 500 * time.Millisecond
	// lookAgain is when a sweeper looks again that has seen a held push expired for the
	// first time: a renew that was under way has come by then.
	lookAgain = 200 * time.Millisecond
	// sweepBatch is how many expired pushes one look handles: what is beyond has to be seen
	// twice after that.
	sweepBatch = 1000
	// ringBatch is how many outboxes one look rings for.
	ringBatch = 50
	// lookTime is how long one look begins new takeovers, so that it is never
	// far behind what it has read.
	lookTime = 2 * time.Second
)

// Sweeper takes over pushes whose worker is not there any more, and sees to
// queued ones whose task is lost. One runs in every worker and every API, so
// that stops end although no worker lives.
type Sweeper struct {
	Store     SweepStore
	Queue     Queue
	Inspector Inspector
	Lease     time.Duration
	Log       *slog.Logger
	// Metrics may be nil: nothing is counted.
	Metrics SweepMetrics

	Outboxes DueOutboxes // nil: it rings for none
	Webhooks WebhookQueue

	seen  map[string]int64 // expiry at the look before, by push id
	taken map[string]bool  // queued pushes whose tasks a worker had at the look before
	fresh bool             // a push that a worker held was seen for the first time
	ended time.Time        // of the last look
	beat  time.Time        // when a look was last seen to go on
	fault string           // of the present look, "" for none
	hold  time.Time        // nothing is taken over before
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	s.holdOff("just started")
	t := time.NewTimer(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			begin, next := time.Now(), sweepEvery
			if s.sweep(ctx); s.fresh {
				next = lookAgain
			}
			t.Reset(max(next-time.Since(begin), 0))
		case <-ctx.Done():
			return
		}
	}
}

// sweep takes over what was expired at two looks in a row with the same
// expiry: one look alone could have met a renew that is on its way. After any
// trouble with Redis, or a stall of our own, leases look older than their
// workers are, so nothing is taken over until those had time to renew.
func (s *Sweeper) sweep(ctx context.Context) {
	s.beat, s.fault, s.fresh = time.Now(), "", false
	if !s.ended.IsZero() && s.beat.Sub(s.ended) > sweepEvery+s.stall() {
		s.holdOff("this process stood still")
	}
	defer func() { s.ended = time.Now() }()
	var expired []Expired
	err := s.call(ctx, func(ctx context.Context) (err error) {
		expired, err = s.Store.Expired(ctx, sweepBatch)
		return err
	})
	switch {
	case err != nil:
		s.Log.Warn("sweep failed", "error", err)
		s.fault = cmp.Or(s.fault, "Redis failed")
	case s.fault != "":
	case s.beat.Before(s.hold):
		s.seen = nil
	default:
		s.look(ctx, expired)
	}
	if err == nil { // how old leases look does not matter to webhooks
		s.ring(ctx)
	}
	if s.fault != "" && ctx.Err() == nil {
		s.holdOff(s.fault)
	}
}

// call makes one call of the store or the queue. It notes trouble when that
// cannot be reached, and when the call, or this process since the last one,
// took so long that leases may look older than their workers are.
func (s *Sweeper) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	err := do(ctx)
	now := time.Now()
	switch {
	case now.Sub(s.beat) > s.stall():
		s.fault = "Redis or this process stood still"
	case unreachable(err):
		s.fault = "Redis failed"
	}
	s.beat = now
	return err
}

// unreachable says whether an error is about Redis, and not about one push
// that has changed or is damaged.
func unreachable(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code != CodeInternal
	}
	return err != nil && !errors.Is(err, ErrHeld) && !errors.Is(err, ErrEnded) && !errors.Is(err, ErrGone)
}

// stall is what counts as standing still.
func (s *Sweeper) stall() time.Duration { return s.Lease / 3 }

func (s *Sweeper) holdOff(why string) {
	if time.Now().After(s.hold) {
		s.Log.Info("no takeovers for a while", "reason", why, "for", 2*s.Lease)
	}
	s.hold, s.seen = time.Now().Add(2*s.Lease), nil
}

// look deals with what is expired until there is trouble. What it has no time
// for is left to the next look, which need not see it twice again.
func (s *Sweeper) look(ctx context.Context, expired []Expired) {
	begin, before, taken := time.Now(), s.seen, s.taken
	s.seen, s.taken = make(map[string]int64, len(expired)), map[string]bool{}
	var queued []Expired
	for _, e := range expired {
		waits := e.Damage == nil && e.Push.State == Queued && e.Push.Desired == DesiredRun
		switch {
		case before[e.ID] != e.Expiry, time.Since(begin) > lookTime:
			s.seen[e.ID] = e.Expiry
			s.fresh = s.fresh || !waits
		case waits:
			queued = append(queued, e)
		default:
			s.takeOver(ctx, e)
		}
		if s.fault != "" {
			return
		}
	}
	s.requeueLost(ctx, queued, taken)
}

func (s *Sweeper) takeOver(ctx context.Context, e Expired) {
	log := s.Log.With("push_id", e.ID, "epoch", e.Push.Epoch, "worker", e.Push.Worker)
	var taken Taken
	err := s.call(ctx, func(ctx context.Context) (err error) {
		taken, err = s.Store.Takeover(ctx, e)
		return err
	})
	switch {
	case errors.Is(err, ErrHeld), errors.Is(err, ErrEnded), errors.Is(err, ErrGone): // renewed, or another sweeper was first
		return
	case err != nil:
		log.Warn("takeover failed", "error", err)
		return
	}
	if s.Metrics != nil {
		s.Metrics.TookOver(e, taken)
	}
	if e.Damage != nil {
		log.Error("push ended, its record is damaged", "state", taken.State, "error", e.Damage)
		return
	}
	log.Warn("push taken over", "was", e.Push.State, "state", taken.State, "next_epoch", taken.Next)
	if taken.State != Queued {
		return
	}
	p := e.Push
	p.Epoch = taken.Next
	err = s.call(context.WithoutCancel(ctx), func(ctx context.Context) error {
		return s.Queue.Enqueue(ctx, TaskOf(p), goesBefore(p, p.Waiting))
	})
	if err != nil {
		log.Error("next attempt could not be enqueued", "next_epoch", taken.Next, "error", err)
	}
}

// ring rings for outboxes that are due. A bell that is lost is rung again when
// the time of whoever would have heard it is over.
func (s *Sweeper) ring(ctx context.Context) {
	if s.Outboxes == nil {
		return
	}
	begin := time.Now()
	var bells []WebhookTask
	err := s.call(ctx, func(ctx context.Context) (err error) {
		bells, err = s.Outboxes.RingOutboxes(ctx, ringBatch)
		return err
	})
	for i := 0; err == nil && i < len(bells) && time.Since(begin) < lookTime; i++ {
		err = s.call(ctx, func(ctx context.Context) error { return s.Webhooks.EnqueueWebhooks(ctx, bells[i]) })
	}
	if err != nil {
		s.Log.Warn("webhooks could not be rung for", "error", err)
	}
}
