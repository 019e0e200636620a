package host

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Kind is what a host is for.
type Kind string

// The kinds.
const (
	Idle   Kind = "idle"   // nothing is in it: it is ready, or about to end
	Shared Kind = "shared" // copied pushes
	Own    Kind = "own"    // one push alone, or previews
	Encode Kind = "encode" // one push that is re-encoded
)

// Kinds are all of them.
var Kinds = [...]Kind{Idle, Shared, Own, Encode}

// Death is how a host has ended that was not to end.
type Death string

// The deaths.
const (
	Crashed Death = "crashed" // by a signal of its own, or it has exited
	Killed  Death = "killed"  // by the system, which is out of memory, or by somebody
	Stuck   Death = "stuck"   // by its worker, since it did not do what it was to do
)

// Deaths are all of them.
var Deaths = [...]Death{Crashed, Killed, Stuck}

// deathOf says how a host has ended; killed is why its worker did it, if it did.
func deathOf(killed string, s syscall.WaitStatus) (d Death, how string) {
	switch {
	case killed != "":
		return Stuck, killed
	case s.Signaled() && s.Signal() == syscall.SIGKILL:
		return Killed, s.Signal().String()
	case s.Signaled():
		return Crashed, s.Signal().String()
	default:
		return Crashed, fmt.Sprintf("exit code %d", s.ExitStatus())
	}
}

// Stats is what there is to know of the hosts.
type Stats struct {
	Hosts   map[Kind]int
	Started int64
	Deaths  map[Death]int64
	Memory  int64 // bytes that are the hosts' alone, not those of the program's file
}

// Stats counts.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Stats{Hosts: map[Kind]int{}, Started: p.started, Deaths: maps.Clone(p.deaths)}
	for _, h := range p.hosts {
		s.Hosts[h.kind()]++
		s.Memory += h.memory()
	}
	return s
}

// CPU is the time of cores that the hosts use that run now: of those that have ended
// the system tells it as that of this process's children.
func (p *Pool) CPU() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum time.Duration
	for _, h := range p.hosts {
		sum += h.cpu()
	}
	return sum
}

// cpu is the time of cores that h has used; 0 before its start and after its end.
func (h *host) cpu() time.Duration {
	var t unix.Timespec
	if h.cmd == nil || unix.ClockGettime(cpuClock(h.cmd.Process.Pid), &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// cpuClock is the clock of a process's time, as clock_getcpuclockid(3) makes it.
func cpuClock(pid int) int32 {
	const ofProcess = 2               // CPUCLOCK_SCHED, of all threads
	return int32(^pid)<<3 | ofProcess //nolint:gosec // a process id has 22 bits
}

// kind is what h is for. The pool's mu is held.
func (h *host) kind() Kind {
	switch {
	case h.sessions == 0:
		return Idle
	case h.encodes:
		return Encode
	case h.own:
		return Own
	default:
		return Shared
	}
}

// memory is how many bytes h has of its own; 0 where it is not known.
func (h *host) memory() int64 {
	pages := h.pages()
	return pages[1] - pages[2]
}

// allocated is how many bytes h has allocated, as its limit counts them (RLIMIT_DATA); 0
// where it is not known, as before its start.
func (h *host) allocated() int64 { return h.pages()[5] }

// pages is what statm tells (proc_pid_statm(5)), in bytes.
func (h *host) pages() (all [6]int64) {
	var text [128]byte
	n, _ := h.statm.ReadAt(text[:], 0)
	for i, field := range strings.Fields(string(text[:n])) {
		if i < len(all) {
			pages, _ := strconv.ParseInt(field, 10, 64)
			all[i] = pages * int64(os.Getpagesize())
		}
	}
	return all
}
