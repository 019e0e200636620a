package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// appear lets workers be there.
func appear(t *testing.T, s *store.Store, workers ...string) {
	t.Helper()
	for _, w := range workers {
		_, err := s.Renew(ctx(t), tasks.WorkerReport{Name: w}, nil)
		require.NoError(t, err)
	}
}

func TestAPushThatIsRefusedForAWhileSaysWhyOnce(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	appear(t, s, "full")
	p := create(t, s, "u")
	refused := func(after time.Duration, why tasks.Waiting) tasks.Waiting {
		t.Helper()
		require.NoError(t, s.Refused(ctx(t), tasks.TaskOf(p), after, why))
		return get(t, s, p.ID).Waiting
	}
	require.Equal(t, tasks.WaitingForSlot, refused(time.Hour, tasks.WaitingForMemory), "another worker may take it at once")
	require.Equal(t, tasks.WaitingForMemory, refused(0, tasks.WaitingForMemory))
	require.Equal(t, tasks.WaitingForMemory, refused(0, tasks.WaitingForMemory))
	require.Equal(t, tasks.WaitingForMemory, refused(0, tasks.WaitingForKey), "two workers do not talk in turns")
	var codes []string
	events, err := s.Events(ctx(t), p.ID)
	require.NoError(t, err)
	for _, e := range events {
		if e.Type == tasks.EventTrouble {
			codes = append(codes, e.Code)
		}
	}
	require.Equal(t, []string{"no_free_slot", "no_memory"}, codes)
	claim(t, s, p, "w")
	require.Empty(t, refused(0, tasks.WaitingForMemory), "it waits no more")
}
