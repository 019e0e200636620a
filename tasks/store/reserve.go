package store

import (
	"context"
	"strings"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

var _ tasks.PlaceStore = (*Store)(nil)

// Reserve keeps r.Worker free of new pushes for r.ID; see tasks.PlaceStore. It
// holds for a lease.
func (s *Store) Reserve(ctx context.Context, r tasks.Reservation) (bool, error) {
	n, err := s.scripts.reserve.Run(ctx, s.client, []string{keyReserved, keyPush(r.ID), keyWorkers},
		r.ID, r.Worker, max(r.EmptyIn, 0).Milliseconds(), tasks.LonelyStrikes, s.cfg.Lease.Milliseconds(),
		tasks.ReserveTime.Milliseconds(), tasks.ReserveRest.Milliseconds()).Int()
	return n == 1, storeError(err)
}

// Refused notes why a worker does not take the queued push of t; see
// tasks.PlaceStore.
func (s *Store) Refused(ctx context.Context, t tasks.Task, after time.Duration, why tasks.Waiting) error {
	_, err := s.run(ctx, s.scripts.refused, []string{keyPush(t.ID), keyEvents(t.ID)},
		t.Epoch, after.Milliseconds(), string(why),
		strings.Join([]string{string(tasks.WaitingForWorker), string(tasks.WaitingForSlot), string(tasks.WaitingForTurn)}, " "))
	return err
}
