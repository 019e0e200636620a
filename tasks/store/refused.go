package store

import (
	"context"
	"strings"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

var _ tasks.RefusalStore = (*Store)(nil)

// Refused notes why a worker does not take the queued push of t; see
// tasks.RefusalStore.
func (s *Store) Refused(ctx context.Context, t tasks.Task, after time.Duration, why tasks.Waiting) error {
	_, err := s.run(ctx, s.scripts.refused, []string{keyPush(t.ID), keyHistory(t.ID)},
		t.Epoch, after.Milliseconds(), string(why),
		strings.Join([]string{string(tasks.WaitingForWorker), string(tasks.WaitingForSlot), string(tasks.WaitingForTurn)}, " "))
	return err
}
