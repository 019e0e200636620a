package tasks

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// sweepEvery is how often a sweeper looks for expired leases.
const sweepEvery = time.Second

// sweepBatch is how many expired pushes one look handles.
const sweepBatch = 200

// queuedGrace is when a push that is still queued is looked at again.
const queuedGrace = 10 * time.Second

// Sweeper takes over pushes whose worker is not there any more. One runs in
// every worker and every API, so that stops end although no worker lives.
type Sweeper struct {
	Store SweepStore
	Queue Queue
	Log   *slog.Logger

	seen map[string]int64 // expiry at the look before, by push id
}

// Run sweeps until ctx ends.
func (s *Sweeper) Run(ctx context.Context) {
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
// expiry: one look alone could have met a renew that is on its way.
func (s *Sweeper) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	expired, err := s.Store.Expired(ctx, sweepBatch)
	if err != nil {
		s.Log.Warn("sweep failed", "error", err)
		s.seen = nil
		return
	}
	before := s.seen
	s.seen = make(map[string]int64, len(expired))
	for _, e := range expired {
		if before[e.ID] == e.Expiry {
			s.handle(ctx, e)
		} else {
			s.seen[e.ID] = e.Expiry
		}
	}
}

func (s *Sweeper) handle(ctx context.Context, e Expired) {
	log := s.Log.With("push_id", e.ID)
	if e.Push.State == Queued {
		if err := s.Store.Defer(ctx, e, queuedGrace); err != nil && !errors.Is(err, ErrHeld) {
			log.Warn("queued push could not be deferred", "error", err)
		}
		return
	}
	next, err := s.Store.Takeover(ctx, e)
	switch {
	case errors.Is(err, ErrHeld): // renewed, or another sweeper was first
	case err != nil:
		log.Warn("takeover failed", "error", err)
	case next == 0:
		log.Info("stop ended without its worker")
	default:
		log.Warn("worker vanished, push taken over", "worker", e.Push.Worker, "next_epoch", next)
		p := e.Push
		p.Epoch = next
		if err := s.Queue.Enqueue(ctx, TaskOf(p), true); err != nil {
			log.Error("next attempt could not be enqueued", "next_epoch", next, "error", err)
		}
	}
}
