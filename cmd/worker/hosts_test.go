package main

import (
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media/host"
)

func TestWhatMediaHostsHaveUsedOfCoresIsCountedWhenTheyHaveEnded(t *testing.T) {
	p, err := newPool(t.Context(), config.Config{Sandbox: string(host.SandboxAuto)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	all := cpuTime(p)
	before, hosts := all(), p.CPU()
	require.Positive(t, hosts, "it has started")
	p.Close()
	require.Zero(t, p.CPU())
	require.GreaterOrEqual(t, all(), before-time.Millisecond, "the two clocks count in other steps")
	require.GreaterOrEqual(t, usage(syscall.RUSAGE_CHILDREN), hosts-time.Millisecond)
}

func TestHostsAreThisProgramAlsoWhenAnotherHasItsPlace(t *testing.T) {
	name := os.Args[0]
	t.Cleanup(func() { os.Args[0] = name })
	os.Args[0] = "/bin/true"
	p, err := newPool(t.Context(), config.Config{Sandbox: string(host.SandboxAuto)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	p.Close()
}
