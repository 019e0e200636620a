package cores

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree writes files under a root of their own.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

func TestTheCoresAreTheLeastThatTheGroupsAllow(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"no groups":                 {nil, 8},
		"version 2 without a limit": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8},
		"version 2, in a container": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5},
		"more than there are":       {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "1600000 100000\n"}, 8},
		"a parent has less": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/roomcast.service\n", "sys/fs/cgroup/system.slice/cpu.max": "200000 100000\n",
			"sys/fs/cgroup/system.slice/roomcast.service/cpu.max": "400000 100000\n",
		}, 2},
		"version 1": {map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
		}, 0.5},
		"version 1 without a limit": {map[string]string{
			"proc/self/cgroup": "4:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 8},
		"nonsense": {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "much 0\n"}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			require.InDelta(t, c.want, at(tree(t, c.files), 8), 1e-9)
		})
	}
	require.Positive(t, Usable(1))
	require.LessOrEqual(t, 2*Usable(2), float64(runtime.NumCPU()), "two do not count a core twice")
}

func TestCoresAreNamedByTheirModel(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"x86":            {"processor\t: 0\nmodel\t\t: 2\nmodel name\t: AMD EPYC 9R14\nprocessor\t: 1\nmodel name\t: AMD EPYC 9R14\n", "AMD EPYC 9R14"},
		"ARM":            {"processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n\nprocessor\t: 1\nCPU part\t: 0xd0c\n", "0x41 0x3 0xd0c 1"},
		"nobody says it": {"", runtime.GOARCH},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, modelAt(tree(t, map[string]string{"proc/cpuinfo": c.text})))
		})
	}
	require.NotEmpty(t, Model())
}
