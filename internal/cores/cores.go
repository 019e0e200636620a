// Package cores tells how many of the machine's cores this process may use, and of
// which model they are.
package cores

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/roomcast/roomcast/internal/cgroup"
)

// Usable returns how many cores this process may use that is one of so many on its
// machine: its part of those that it may run on (cpuset, taskset), or less where a
// cgroup limits their time (cpu.max).
func Usable(processes int) float64 {
	return at("/", float64(runtime.NumCPU())/float64(max(processes, 1)))
}

func at(root string, cores float64) float64 {
	for dir := range cgroup.Dirs(root, "sys/fs/cgroup", "") {
		quota, period, _ := strings.Cut(text(dir, "cpu.max"), " ")
		cores = limited(cores, quota, period)
	}
	for _, controller := range []string{"cpu", "cpu,cpuacct"} {
		for dir := range cgroup.Dirs(root, "sys/fs/cgroup/"+controller, controller) {
			cores = limited(cores, text(dir, "cpu.cfs_quota_us"), text(dir, "cpu.cfs_period_us"))
		}
	}
	return cores
}

// limited returns cores, or fewer: as many as a group may use that has quota in
// each period. What is no number is no limit.
func limited(cores float64, quota, period string) float64 {
	q, errQuota := strconv.ParseFloat(quota, 64)
	p, errPeriod := strconv.ParseFloat(period, 64)
	if errQuota != nil || errPeriod != nil || q <= 0 || p <= 0 {
		return cores
	}
	return min(cores, q/p)
}

func text(dir, name string) string {
	content, _ := os.ReadFile(filepath.Join(dir, name)) // what cannot be read says nothing
	return strings.TrimSpace(string(content))
}

// Model names the cores of this machine, so that machines with the same name are
// as fast.
func Model() string { return modelAt("/") }

func modelAt(root string) string {
	content := text(filepath.Join(root, "proc"), "cpuinfo")
	var names []string
	for line := range strings.Lines(content) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name": // of x86; it says the speed, too
			return strings.TrimSpace(value)
		case "CPU implementer", "CPU variant", "CPU part", "CPU revision": // of ARM, where they have no name
			names = append(names, strings.TrimSpace(value))
		case "processor":
			if len(names) > 0 {
				return strings.Join(names, " ")
			}
		}
	}
	return cmp.Or(strings.Join(names, " "), runtime.GOARCH)
}
