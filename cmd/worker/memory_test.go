package main

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatMediaHostsUseOfCoresIsTheWorkersAlsoWhenTheyHaveEnded(t *testing.T) {
	busy := exec.Command("sh", "-c", "while :; do :; done")
	require.NoError(t, busy.Start())
	hosts := func() []int { return []int{busy.Process.Pid} }
	none := func() []int { return nil }
	require.Eventually(t, func() bool { return cpuTime(hosts)-cpuTime(none) > 50*time.Millisecond }, 10*time.Second, 10*time.Millisecond)
	before := cpuTime(hosts)
	require.NoError(t, busy.Process.Kill())
	require.Error(t, busy.Wait())
	require.GreaterOrEqual(t, cpuTime(hosts), before)
	require.Zero(t, cpuTimeOf(busy.Process.Pid))
}
