package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// confined returns a program that runs another one with no more than this many
// bytes of memory: in a cgroup of its own where the machine lets us make one,
// with a limit of its data elsewhere. The settings say so where a process
// cannot see it.
func confined(t testing.TB, program string, limit int) (wrapped string, env []string) {
	t.Helper()
	join := fmt.Sprintf("ulimit -d %d", limit>>10)
	if procs, ok := memoryGroup(t, limit); ok {
		join = fmt.Sprintf("echo $$ >%q", procs)
	} else {
		env = []string{"ROOMCAST_WORKER_MEMORY=" + strconv.Itoa(limit)}
	}
	wrapped = filepath.Join(t.TempDir(), "confined")
	script := fmt.Sprintf("#!/bin/sh\n%s || exit 1\nexec %q\n", join, program)
	require.NoError(t, os.WriteFile(wrapped, []byte(script), 0o755)) //nolint:gosec // a program
	return wrapped, env
}

// memoryGroup makes a cgroup and returns the file that takes its processes.
func memoryGroup(t testing.TB, limit int) (procs string, ok bool) {
	t.Helper()
	for _, v := range []struct{ root, limit string }{{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"}} {
		dir, err := os.MkdirTemp(v.root, "roomcast-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { // once its processes have gone
			require.Eventually(t, func() bool { return os.Remove(dir) == nil }, patience, 50*time.Millisecond)
		})
		if err := os.WriteFile(filepath.Join(dir, v.limit), []byte(strconv.Itoa(limit)), 0); err != nil {
			continue
		}
		_ = os.WriteFile(filepath.Join(dir, "memory.memsw.limit_in_bytes"), []byte(strconv.Itoa(limit)), 0) // where swap is counted
		return filepath.Join(dir, "cgroup.procs"), true
	}
	return "", false
}

// memoryOf returns a line of a process's status, in bytes, 0 when it has gone.
func memoryOf(pid int, name string) int {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			return kb << 10
		}
	}
	return 0
}

// forgetPeak makes VmHWM of a process begin anew.
func forgetPeak(t testing.TB, pid int) {
	t.Helper()
	err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
	if !errors.Is(err, fs.ErrNotExist) { // it has gone
		require.NoError(t, err)
	}
}
