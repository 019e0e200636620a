package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/roomcast/roomcast/internal/process"
)

// child is a running program. It dies with this process.
type child struct {
	cmd    *exec.Cmd
	log    string
	exited <-chan struct{}
}

// cores says which part of the machine a program gets.
type cores int

const (
	measured cores = iota // what is measured
	aside                 // the sink, the file server, the API, Redis
)

// of returns the CPUs: with four or more, what is measured has all but the last
// quarter. On fewer it has all of them, and what stands aside keeps to the last one.
func (c cores) of(cpus int) (set unix.CPUSet) {
	first, end := 0, cpus
	switch {
	case c == aside && cpus > 1:
		first = cpus - max(1, cpus/4)
	case c == measured && cpus >= 4:
		end = cpus - cpus/4
	}
	for i := first; i < end; i++ {
		set.Set(i)
	}
	return set
}

// pin keeps all threads of a process to their part of the machine.
func pin(pid int, where cores) {
	set := where.of(runtime.NumCPU())
	for _, task := range tasks(pid) {
		_ = unix.SchedSetaffinity(task, &set) // only a wish
	}
}

// launch starts a program whose outputs go to a file.
func launch(dir string, where cores, env []string, path string, args ...string) (*child, error) {
	file, err := os.CreateTemp(dir, filepath.Base(path)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	c := &child{cmd: exec.Command(path, args...), log: file.Name()}
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.Env = file, file, append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	if c.exited, err = process.Child(c.cmd, nil); err != nil {
		return nil, err
	}
	pin(c.pid(), where)
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// end ends programs with a signal, and is back when they are gone.
func end(s syscall.Signal, all ...*child) {
	for _, c := range all {
		_ = c.cmd.Process.Signal(s)
	}
	for _, c := range all {
		<-c.exited
	}
}

// alive returns an error with the end of the log when the program has ended.
func (c *child) alive() error {
	select {
	case <-c.exited:
		text, _ := os.ReadFile(c.log)
		return fmt.Errorf("%s has ended: %s", c.cmd, text[max(0, len(text)-2000):])
	default:
		return nil
	}
}

// logged waits until the program has printed what matches, and returns the groups.
func (c *child) logged(ctx context.Context, pattern string) (found []string, err error) {
	want := regexp.MustCompile(pattern)
	err = until(ctx, 30*time.Second, func() bool {
		text, _ := os.ReadFile(c.log)
		found = want.FindStringSubmatch(string(text))
		return found != nil || c.alive() != nil
	})
	if err == nil && found == nil {
		err = c.alive()
	}
	if err != nil {
		return nil, fmt.Errorf("%s is to print %q: %w", c.cmd, pattern, err)
	}
	return found, nil
}

var errLate = errors.New("it takes too long")

// until asks again and again.
func until(ctx context.Context, limit time.Duration, done func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; {
		switch {
		case done():
			return nil
		case time.Now().After(end):
			return errLate
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// pause waits, as long as the run goes on.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// use is what processes have used, all of them together.
type use struct {
	cpu                    time.Duration
	voluntary, involuntary float64 // context switches
	calls                  float64 // of read and write and their kin, sockets' send and receive not
}

func (u use) minus(o use) use {
	return use{u.cpu - o.cpu, u.voluntary - o.voluntary, u.involuntary - o.involuntary, u.calls - o.calls}
}

// family returns the processes with all their descendants.
func family(roots []*child) (pids []int) {
	parents := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if f := statOf(pid); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			parents[parent] = append(parents[parent], pid)
		}
	}
	for _, c := range roots {
		pids = append(pids, c.pid())
	}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, parents[pids[i]]...)
	}
	return pids
}

// statOf returns what /proc/pid/stat has behind the name: state, parent, …
func statOf(pid int) []string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)
}

func tasks(pid int) (all []int) {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, p := range paths {
		id, _ := strconv.Atoi(filepath.Base(p))
		all = append(all, id)
	}
	return all
}

// usage adds up what the families of roots have used. Of children that ended and
// were waited for it has the CPU.
func usage(roots []*child) (u use) {
	const waitedUser, waitedSystem, perSecond = 13, 14, 100
	for _, pid := range family(roots) {
		var t unix.Timespec
		if unix.ClockGettime(int32(^pid<<3|2), &t) == nil { // the CPU clock of a process: clock_getcpuclockid(3)
			u.cpu += time.Duration(t.Nano())
		}
		for i, f := range statOf(pid) {
			if i == waitedUser || i == waitedSystem {
				ticks, _ := strconv.Atoi(f)
				u.cpu += time.Duration(ticks) * time.Second / perSecond
			}
		}
		for _, id := range tasks(pid) {
			status := fmt.Sprintf("/proc/%d/task/%d/status", pid, id)
			u.voluntary += numbers(status, `(?m)^voluntary_ctxt_switches:\s+(\d+)`)
			u.involuntary += numbers(status, `nonvoluntary_ctxt_switches:\s+(\d+)`)
		}
		u.calls += numbers(fmt.Sprintf("/proc/%d/io", pid), `sysc[rw]: (\d+)`)
	}
	return u
}

// pss is the memory of the families, what is shared shared out, in bytes.
func pss(roots []*child) (sum float64) {
	for _, pid := range family(roots) {
		sum += 1024 * numbers(fmt.Sprintf("/proc/%d/smaps_rollup", pid), `(?m)^Pss:\s+(\d+)`)
	}
	return sum
}

// sockets is what the kernel holds for the sockets of the families, in bytes: what has
// come and is not read, what is not confirmed, and what it keeps ready for them. It
// asks ss, and is NaN where that is missing.
func sockets(roots []*child) (sum float64) {
	out, err := exec.Command("ss", "-H", "-O", "-a", "-t", "-x", "-m", "-p", "-n").Output()
	if err != nil {
		return math.NaN()
	}
	ours := map[string]bool{}
	for _, pid := range family(roots) {
		ours[strconv.Itoa(pid)] = true
	}
	owner := regexp.MustCompile(`pid=(\d+)`)
	memory := regexp.MustCompile(`skmem:\(r(\d+),rb\d+,t(\d+),tb\d+,f(\d+),w(\d+),o(\d+),bl(\d+)`)
	for line := range strings.Lines(string(out)) {
		who, m := owner.FindStringSubmatch(line), memory.FindStringSubmatch(line)
		if who == nil || m == nil || !ours[who[1]] {
			continue
		}
		n := func(i int) float64 { v, _ := strconv.ParseFloat(m[i], 64); return v }
		sum += n(1) + max(n(2), n(4)) + n(3) + n(5) + n(6) // t, handed to the device, is part of w
	}
	return sum
}

// numbers adds up what a pattern finds in a file; NaN if we may not read it.
func numbers(path, pattern string) (sum float64) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrPermission) {
		return math.NaN()
	}
	for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
		n, _ := strconv.ParseFloat(string(m[1]), 64)
		sum += n
	}
	return sum
}
