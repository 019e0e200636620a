package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/cores"
	"github.com/roomcast/roomcast/tasks"
)

// speeds is a speedStore in memory.
type speeds struct {
	kept map[string]tasks.Cost
	err  error
}

func (s speeds) Speed(_ context.Context, machine string) (tasks.Cost, error) {
	return s.kept[machine], s.err
}

func (s speeds) KeepSpeed(_ context.Context, machine string, speed tasks.Cost) error {
	if s.err == nil {
		s.kept[machine] = speed
	}
	return s.err
}

// measuring is an encoder that counts how often it is measured.
type measuring struct {
	times int
	err   error
}

func (m *measuring) FFmpeg() string { return "n9" }

func (m *measuring) Speed(context.Context) (int64, error) {
	m.times++
	return 140_000_000, m.err
}

func TestTheEncoderIsMeasuredOnceForAllMachinesOfAModel(t *testing.T) {
	log, kept, m := slog.New(slog.DiscardHandler), speeds{kept: map[string]tasks.Cost{}}, &measuring{}
	for range 2 {
		require.Equal(t, tasks.Capacity{Cores: cores.Usable(), Speed: 140_000_000}, capacity(t.Context(), config.Config{}, kept, m, log))
	}
	require.Equal(t, 1, m.times)
	require.Len(t, kept.kept, 1)
	require.Equal(t, tasks.Capacity{Cores: 1.5, Speed: 140_000_000}, capacity(t.Context(), config.Config{WorkerCores: 1.5}, kept, m, log))
}

func TestAWorkerStartsWithoutAMeasurement(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	away := speeds{err: errors.New("Redis is away")}
	require.Equal(t, tasks.Cost(140_000_000), capacity(t.Context(), config.Config{}, away, &measuring{}, log).Speed, "it is measured here")
	require.Zero(t, capacity(t.Context(), config.Config{}, speeds{}, &measuring{err: errors.New("no host")}, log).Speed)
}
