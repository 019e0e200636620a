package main

import (
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/memory"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/tasks"
)

// workerMemory is what this worker may take, of Go's and of libav's.
type workerMemory struct{ *memory.Gauge }

var _ tasks.Memory = workerMemory{}

// Free implements tasks.Memory.
func (workerMemory) Free() {
	debug.FreeOSMemory()
}

// boundMemory reads how much memory there is and bounds Go's part of it, unless
// the operator has. That of the hosts counts.
func boundMemory(cfg config.Config, environ []string, hosts *host.Pool, log *slog.Logger) workerMemory {
	g := memory.New(int64(cfg.WorkerMemory))
	g.Others = func() int64 { return hosts.Stats().Memory }
	own := slices.ContainsFunc(environ, func(s string) bool { return strings.HasPrefix(s, "GOMEMLIMIT=") })
	if g.Limit() > 0 && !own {
		debug.SetMemoryLimit(g.GoLimit())
	}
	if g.Limit() > 0 {
		log.Info("memory is watched", "limit_mb", g.Limit()>>20, "go_limit_mb", debug.SetMemoryLimit(-1)>>20)
	} else {
		log.Info("memory is not watched: neither ROOMCAST_WORKER_MEMORY nor a cgroup limits it")
	}
	return workerMemory{g}
}
