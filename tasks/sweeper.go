package tasks

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// sweepEvery is how often a sweeper looks for expired leases.
	sweepEvery = 500 * time.Millisecond
	// sweepBatch is how many expired pushes one look handles.
	sweepBatch = 200
	// countEvery is how often the queue's orphans are counted.
	countEvery = time.Minute
)

// Sweeper takes over pushes whose worker is not there any more, and sees to
// queued ones whose task is lost. One runs in every worker and every API, so
// that stops end although no worker lives.
type Sweeper struct {
	Store SweepStore
	Queue Queue
	Bells Bells
	Lease time.Duration
	Log   *slog.Logger

	seen    map[string]int64 // expiry at the look before, by push id
	ended   time.Time        // of the last look
	hold    time.Time        // nothing is taken over before
	counted time.Time        // when orphans were counted last
	orphans int
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
	s.holdOff("just started")
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.sweep(ctx)
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
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	begin := time.Now()
	if !s.ended.IsZero() && begin.Sub(s.ended) > sweepEvery+s.stall() {
		s.holdOff("this process stood still")
	}
	defer func() { s.ended = time.Now() }()
	expired, err := s.Store.Expired(ctx, sweepBatch)
	now := time.Now()
	switch {
	case err != nil:
		s.Log.Warn("sweep failed", "error", err)
		s.holdOff("the store failed")
	case now.Sub(begin) > s.stall():
		s.holdOff("the store stood still")
	case now.Before(s.hold):
		s.seen = nil
	default:
		s.look(ctx, expired)
		s.countOrphans(ctx)
	}
}

// stall is what counts as standing still.
func (s *Sweeper) stall() time.Duration { return s.Lease / 3 }

func (s *Sweeper) holdOff(why string) {
	if time.Now().After(s.hold) {
		s.Log.Info("no takeovers for a while", "reason", why, "for", 2*s.Lease)
	}
	s.hold, s.seen = time.Now().Add(2*s.Lease), nil
}

func (s *Sweeper) look(ctx context.Context, expired []Expired) {
	before := s.seen
	s.seen = make(map[string]int64, len(expired))
	var queued []Expired
	for _, e := range expired {
		switch {
		case before[e.ID] != e.Expiry:
			s.seen[e.ID] = e.Expiry
		case e.Damage == nil && e.Push.State == Queued && e.Push.Desired == DesiredRun:
			queued = append(queued, e)
		default:
			s.takeOver(ctx, e)
		}
	}
	s.healAll(ctx, queued)
}

func (s *Sweeper) takeOver(ctx context.Context, e Expired) {
	log := s.Log.With("push_id", e.ID, "epoch", e.Push.Epoch, "worker", e.Push.Worker)
	taken, err := s.Store.Takeover(ctx, e)
	switch {
	case errors.Is(err, ErrHeld), errors.Is(err, ErrEnded), errors.Is(err, ErrGone): // renewed, or another sweeper was first
		return
	case err != nil:
		log.Warn("takeover failed", "error", err)
		return
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
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime) // the sweep's own may be over
	defer cancel()
	if err := s.Queue.Enqueue(ctx, TaskOf(p), true); err != nil {
		log.Error("next attempt could not be enqueued", "next_epoch", taken.Next, "error", err)
	}
}

// countOrphans tells of tasks that the queue calls active and nobody runs;
// the queue's own recovery brings them back, and their claim is refused.
func (s *Sweeper) countOrphans(ctx context.Context) {
	if time.Since(s.counted) < countEvery {
		return
	}
	s.counted = time.Now()
	n, err := s.Bells.Orphans(ctx)
	if err == nil && n != s.orphans {
		s.Log.Info("orphaned tasks in the queue", "count", n)
		s.orphans = n
	}
}
