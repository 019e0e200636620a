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

// gcPercent is by how much Go's heap grows before it is collected. docs/scaling.md has what
// it costs.
const gcPercent = 45

// boundMemory reads how much memory there is and bounds Go's part of it, and how much of
// that lies about, unless the operator has. That of the hosts counts.
func boundMemory(cfg config.Config, environ []string, hosts *host.Pool, log *slog.Logger) workerMemory {
	g := memory.New(int64(cfg.WorkerMemory))
	g.Others = func() int64 { return hosts.Stats().Memory }
	own := func(name string) bool {
		return slices.ContainsFunc(environ, func(s string) bool { return strings.HasPrefix(s, name+"=") })
	}
	if !own("GOGC") {
		debug.SetGCPercent(gcPercent)
	}
	if g.Limit() > 0 && !own("GOMEMLIMIT") {
		debug.SetMemoryLimit(g.GoLimit())
	}
	if g.Limit() > 0 {
		log.Info("memory is watched", "limit_mb", g.Limit()>>20, "go_limit_mb", debug.SetMemoryLimit(-1)>>20)
	} else {
		log.Info("memory is not watched: neither ROOMCAST_WORKER_MEMORY nor a cgroup limits it")
	}
	return workerMemory{g}
}
