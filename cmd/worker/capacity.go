package main

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/cores"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/tasks"
)

// speedStore keeps what was measured: store.Store.
type speedStore interface {
	Speed(ctx context.Context, machine string) (tasks.Cost, error)
	KeepSpeed(ctx context.Context, machine string, speed tasks.Cost) error
}

// speedStoreTime bounds what Redis may take for it: a worker starts without.
const speedStoreTime = 2 * time.Second

// encoder measures how many pixels a core encodes in a second: host.Pool.
type encoder interface {
	FFmpeg() string
	Speed(ctx context.Context) (int64, error)
}

// capacity returns what this machine has for pushes. The first worker of a version on
// machines of a model measures their encoder, and the others read it.
func capacity(ctx context.Context, cfg config.Config, kept speedStore, e encoder, log *slog.Logger) tasks.Capacity {
	c := tasks.Capacity{Cores: cmp.Or(cfg.WorkerCores, cores.Usable())}
	machine := cores.Model() + ", " + process.Version() + ", FFmpeg " + e.FFmpeg()
	asking, cancel := context.WithTimeout(ctx, speedStoreTime)
	defer cancel()
	var err error
	if c.Speed, err = kept.Speed(asking, machine); err != nil {
		log.Warn("the speed of the encoder could not be read", "error", err)
	}
	if c.Speed <= 0 {
		c.Speed = measured(ctx, machine, kept, e, log)
	}
	log.Info("cores are counted", "cores", c.Cores, "machine", machine, "megapixels_a_second", c.Speed/1_000_000)
	return c
}

// measured measures the encoder and keeps the figure; 0 when that fails.
func measured(ctx context.Context, machine string, kept speedStore, e encoder, log *slog.Logger) tasks.Cost {
	speed, err := e.Speed(ctx)
	if err != nil {
		log.Warn("the encoder could not be measured, and is taken for slow", "error", err)
		return 0
	}
	keeping, cancel := context.WithTimeout(ctx, speedStoreTime)
	defer cancel()
	if err := kept.KeepSpeed(keeping, machine, tasks.Cost(speed)); err != nil {
		log.Warn("the speed of the encoder could not be kept", "error", err)
	}
	return tasks.Cost(speed)
}
