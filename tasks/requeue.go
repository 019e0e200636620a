package tasks

import (
	"context"
	"errors"
	"time"
)

const (
	// queuedGrace is when a push that is still queued is looked at again: what it
	// waits for may have changed.
	queuedGrace = 10 * time.Second
	// requeueTime bounds what one look does for queued pushes, so that the next
	// look for vanished workers is not late; the rest comes with that.
	requeueTime = sweepEvery
)

// requeueLost sees to pushes that have been queued for long, at least one of them.
func (s *Sweeper) requeueLost(ctx context.Context, queued []Expired, taken map[string]bool) {
	if len(queued) == 0 {
		return
	}
	begin := time.Now()
	for i, e := range queued {
		if i > 0 && time.Since(begin) > requeueTime {
			s.seen[e.ID] = e.Expiry
			continue
		}
		s.requeueIfLost(ctx, e, taken[e.ID])
		if s.fault != "" {
			return
		}
	}
}

// requeueIfLost sees to one: it waits on while its task does; a task that is lost, or
// that a worker took and never claimed, is replaced by one of a new epoch. The task of
// a push that workers refuse is with one of them for a moment every second, so it is
// looked for twice.
func (s *Sweeper) requeueIfLost(ctx context.Context, e Expired, taken bool) {
	var waits bool
	err := s.call(ctx, func(ctx context.Context) (err error) {
		waits, err = s.Inspector.Waits(ctx, TaskOf(e.Push))
		return err
	})
	if err != nil {
		s.Log.Warn("queue could not be asked", "push_id", e.ID, "error", err)
		return
	}
	switch {
	case waits:
	case e.Push.Waiting.refused() && !taken:
		s.seen[e.ID], s.taken[e.ID] = e.Expiry, true
		return
	default:
		s.takeOver(ctx, e)
		return
	}
	err = s.call(ctx, func(ctx context.Context) error {
		return s.Store.Defer(ctx, e, queuedGrace)
	})
	if err != nil && !errors.Is(err, ErrHeld) {
		s.Log.Warn("queued push could not be deferred", "push_id", e.ID, "error", err)
	}
}
