package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestAMeasuredSpeedIsKeptForMachinesOfTheSameName(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	speed, err := s.Speed(ctx(t), "AMD EPYC v1")
	require.NoError(t, err)
	require.Zero(t, speed)
	require.NoError(t, s.KeepSpeed(ctx(t), "AMD EPYC v1", 140_000_000))
	speed, err = s.Speed(ctx(t), "AMD EPYC v1")
	require.NoError(t, err)
	require.Equal(t, tasks.Cost(140_000_000), speed)
	other, err := s.Speed(ctx(t), "AMD EPYC v2")
	require.NoError(t, err)
	require.Zero(t, other)
	require.Positive(t, rdb.TTL(ctx(t), "{roomcast}:speed:AMD EPYC v1").Val(), "what no machine has any more goes")
}
