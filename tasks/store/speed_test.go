package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestAMeasuredSpeedIsKeptForMachinesOfTheSameName(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	speed, _, err := s.Speed(ctx(t), "AMD EPYC v1")
	require.NoError(t, err)
	require.Zero(t, speed)
	require.NoError(t, s.KeepSpeed(ctx(t), "AMD EPYC v1", 140_000_000))
	speed, age, err := s.Speed(ctx(t), "AMD EPYC v1")
	require.NoError(t, err)
	require.Equal(t, tasks.Cost(140_000_000), speed)
	require.Less(t, age, time.Minute)
	other, _, err := s.Speed(ctx(t), "AMD EPYC v2")
	require.NoError(t, err)
	require.Zero(t, other)
	require.Positive(t, rdb.TTL(ctx(t), "{roomcast}:speed:AMD EPYC v1").Val(), "what no machine has any more goes")
}

func TestTheHighestSpeedThatWasMeasuredIsKept(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	const machine = "AMD EPYC v1"
	for _, measured := range []tasks.Cost{14_000_000, 140_000_000, 20_000_000} { // it has other work now and then
		require.NoError(t, s.KeepSpeed(ctx(t), machine, measured))
	}
	require.NoError(t, rdb.PExpire(ctx(t), "{roomcast}:speed:"+machine, 88*24*time.Hour).Err())
	speed, age, err := s.Speed(ctx(t), machine)
	require.NoError(t, err)
	require.Equal(t, tasks.Cost(140_000_000), speed)
	require.InDelta(t, 48, age.Hours(), 1)
	require.NoError(t, s.KeepSpeed(ctx(t), machine, 1))
	_, age, err = s.Speed(ctx(t), machine)
	require.NoError(t, err)
	require.Less(t, age, time.Minute, "it need not be measured again soon")
}
