package main

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/cores"
	"github.com/roomcast/roomcast/tasks"
)

// speeds is a speedStore in memory.
type speeds struct {
	kept map[string]tasks.Cost
	age  time.Duration
	err  error
}

func (s speeds) Speed(_ context.Context, machine string) (tasks.Cost, time.Duration, error) {
	return s.kept[machine], s.age, s.err
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

// counted is what capacity returns, once again has been called.
func counted(t *testing.T, cfg config.Config, kept speeds, m *measuring) tasks.Capacity {
	t.Helper()
	c, again := capacity(t.Context(), cfg, kept, m, slog.New(slog.DiscardHandler))
	again(t.Context())
	return c
}

func TestTheEncoderIsMeasuredOnceForAllMachinesOfAModel(t *testing.T) {
	kept, m := speeds{kept: map[string]tasks.Cost{}}, &measuring{}
	for range 2 {
		require.Equal(t, tasks.Capacity{Cores: cores.Usable(1), Speed: 140_000_000}, counted(t, config.Config{}, kept, m))
	}
	require.Equal(t, 1, m.times)
	require.Len(t, kept.kept, 1)
	require.LessOrEqual(t, 2*counted(t, config.Config{Workers: 2}, kept, m).Cores, float64(runtime.NumCPU()), "of two on one machine each has its part")
	require.Equal(t, tasks.Capacity{Cores: 1.5, Speed: 140_000_000}, counted(t, config.Config{WorkerCores: 1.5}, kept, m))
}

func TestAFigureThatIsADayOldIsMeasuredAgainForThoseWhoStartLater(t *testing.T) {
	kept, m := speeds{kept: map[string]tasks.Cost{}}, &measuring{}
	counted(t, config.Config{}, kept, m)
	for machine := range kept.kept {
		kept.kept[machine] = 14_000_000 // it had other work
	}
	kept.age = speedAge
	require.EqualValues(t, 14_000_000, counted(t, config.Config{}, kept, m).Speed)
	require.Equal(t, 1, m.times)
	kept.age++
	require.EqualValues(t, 14_000_000, counted(t, config.Config{}, kept, m).Speed, "nobody waits for it")
	require.Equal(t, 2, m.times)
	kept.age = 0
	require.EqualValues(t, 140_000_000, counted(t, config.Config{}, kept, m).Speed)
}

func TestAWorkerStartsWithoutAMeasurement(t *testing.T) {
	away := speeds{err: errors.New("Redis is away")}
	require.EqualValues(t, 140_000_000, counted(t, config.Config{}, away, &measuring{}).Speed, "it is measured here")
	require.Zero(t, counted(t, config.Config{}, speeds{}, &measuring{err: errors.New("no host")}).Speed)
}
