package main

import (
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/memory"
	"github.com/roomcast/roomcast/tasks"
)

// workerMemory is what this worker may take, its media hosts included.
type workerMemory struct {
	*memory.Gauge
	hosts func() []int // their process ids
}

var _ tasks.Memory = workerMemory{}

// Used implements tasks.Memory.
func (m workerMemory) Used() (int64, error) { return m.Gauge.Used(m.hosts()...) }

// cpuTime is how much of cores this process and its media hosts have used, those that
// have ended too.
func cpuTime(hosts func() []int) time.Duration {
	for {
		ended := usage(syscall.RUSAGE_CHILDREN)
		sum := usage(syscall.RUSAGE_SELF) + ended
		for _, pid := range hosts() {
			sum += cpuTimeOf(pid)
		}
		if usage(syscall.RUSAGE_CHILDREN) == ended { // else one was counted twice, or not at all
			return sum
		}
	}
}

func usage(who int) time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(who, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// cpuTimeOf is that of another process, 0 when it has ended: its clock's id is made as
// clock_getcpuclockid(3) does. /proc may hide it.
func cpuTimeOf(pid int) time.Duration {
	const ofProcess = 2
	var used unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|ofProcess), &used) != nil { //nolint:gosec // process ids have 22 bits
		return 0
	}
	return time.Duration(used.Nano())
}

// Free implements tasks.Memory.
func (workerMemory) Free() {
	debug.FreeOSMemory()
}

// boundMemory reads how much memory there is and bounds Go's part of it, unless
// the operator has.
func boundMemory(cfg config.Config, environ []string, hosts func() []int, log *slog.Logger) workerMemory {
	g := memory.New(int64(cfg.WorkerMemory))
	own := slices.ContainsFunc(environ, func(s string) bool { return strings.HasPrefix(s, "GOMEMLIMIT=") })
	if g.Limit() > 0 && !own {
		debug.SetMemoryLimit(g.GoLimit())
	}
	if g.Limit() > 0 {
		log.Info("memory is watched", "limit_mb", g.Limit()>>20, "go_limit_mb", debug.SetMemoryLimit(-1)>>20)
	} else {
		log.Info("memory is not watched: neither ROOMCAST_WORKER_MEMORY nor a cgroup limits it")
	}
	return workerMemory{g, hosts}
}
