package main

import (
	"context"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/tasks/metrics"
)

// hostMetrics is what Prometheus is told of the media hosts.
func hostMetrics(p *host.Pool) func() metrics.Hosts {
	return func() metrics.Hosts {
		s, sandbox := p.Stats(), p.Sandbox()
		told := metrics.Hosts{
			Running: map[string]int{}, Deaths: map[string]int64{}, Started: s.Started, Memory: s.Memory,
			Sandbox: map[string]bool{"landlock": sandbox.Landlock, "seccomp": sandbox.Seccomp},
		}
		for _, kind := range host.Kinds { // all of them, that 0 is told as well
			told.Running[string(kind)] = s.Hosts[kind]
		}
		for _, how := range host.Deaths {
			told.Deaths[string(how)] = s.Deaths[how]
		}
		return told
	}
}

// sandboxHolds warns when the media hosts could not give up everything.
func sandboxHolds(p *host.Pool) health.Check {
	return health.Check{Name: "sandbox", Warns: true, Run: func(context.Context) error {
		if s := p.Sandbox(); !s.Holds() {
			return health.Finding{Code: "no_sandbox", Message: "what takes sources apart " + s.String()}
		}
		return nil
	}}
}

// cpuTime returns how much of cores this process and its media hosts have used, those
// that have ended too.
func cpuTime(p *host.Pool) func() time.Duration {
	return func() time.Duration {
		for {
			ended := usage(syscall.RUSAGE_CHILDREN)
			sum := usage(syscall.RUSAGE_SELF) + p.CPU() + ended
			if usage(syscall.RUSAGE_CHILDREN) == ended { // else one was counted twice, or not at all
				return sum
			}
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
