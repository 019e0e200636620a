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
	Speed(ctx context.Context, machine string) (speed tasks.Cost, age time.Duration, err error)
	KeepSpeed(ctx context.Context, machine string, speed tasks.Cost) error
}

// speedStoreTime bounds what Redis may take for it: a worker starts without.
const speedStoreTime = 2 * time.Second

// speedAge is how old a figure is that is measured again: the machine may have had
// other work before.
const speedAge = 24 * time.Hour

// encoder measures how many pixels a core encodes in a second: host.Pool.
type encoder interface {
	FFmpeg() string
	Speed(ctx context.Context) (int64, error)
}

// capacity returns what this machine has for pushes. The first worker of a version on
// machines of a model measures their encoder, and the others read it. again measures
// it once more, for workers that start later, where the figure is old.
func capacity(ctx context.Context, cfg config.Config, kept speedStore, e encoder, log *slog.Logger) (c tasks.Capacity, again func(context.Context)) {
	c.Cores = cmp.Or(cfg.WorkerCores, cores.Usable(cfg.Workers))
	machine := cores.Model() + ", " + process.Version() + ", FFmpeg " + e.FFmpeg()
	asking, cancel := context.WithTimeout(ctx, speedStoreTime)
	defer cancel()
	speed, age, err := kept.Speed(asking, machine)
	if err != nil {
		log.Warn("the speed of the encoder could not be read", "error", err)
	}
	again = func(ctx context.Context) {
		if speed > 0 && age > speedAge {
			measured(ctx, machine, kept, e, log)
		}
	}
	if c.Speed = speed; c.Speed <= 0 {
		c.Speed = measured(ctx, machine, kept, e, log)
	}
	log.Info("cores are counted", "cores", c.Cores, "machine", machine, "megapixels_a_second", c.Speed/1_000_000)
	return c, again
}

// measured measures the encoder and keeps the figure; 0 when that fails.
func measured(ctx context.Context, machine string, kept speedStore, e encoder, log *slog.Logger) tasks.Cost {
	speed, err := e.Speed(ctx)
	if err != nil {
		log.Warn("the encoder could not be measured; where it never was, it is taken for slow", "error", err)
		return 0
	}
	log.Info("the encoder was measured", "machine", machine, "megapixels_a_second", speed/1_000_000)
	keeping, cancel := context.WithTimeout(ctx, speedStoreTime)
	defer cancel()
	if err := kept.KeepSpeed(keeping, machine, tasks.Cost(speed)); err != nil {
		log.Warn("the speed of the encoder could not be kept", "error", err)
	}
	return tasks.Cost(speed)
}
