package memory

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tree writes files under a root of their own.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

const (
	stat1 = "cache 9\ninactive_file 1\ntotal_rss 70\ntotal_inactive_file 1000\ntotal_active_file 500\n"
	stat2 = "anon 70\nfile 9\ninactive_file 1000\nactive_file 500\nslab_reclaimable 100\n"
)

func TestTheLimitIsTheLeastAndWhatIsUsedIsCountedWhereItIs(t *testing.T) {
	statm := "5000 300 100 1 0 2 0"
	own := int64(200 * os.Getpagesize())
	for name, c := range map[string]struct {
		files       map[string]string
		setting     int64
		limit, used int64
	}{
		"neither cgroup nor setting": {nil, 0, 0, own},
		"a setting alone":            {nil, 5000, 5000, own},
		"version 2, in a container": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "4000\n",
			"sys/fs/cgroup/memory.current": "3000\n", "sys/fs/cgroup/memory.stat": stat2,
		}, 0, 4000, 1400},
		"version 2, whose parent has less": {map[string]string{
			"proc/self/cgroup":                      "0::/system.slice/roomcast.service\n",
			"sys/fs/cgroup/system.slice/memory.max": "4000\n", "sys/fs/cgroup/system.slice/memory.current": "3000\n",
			"sys/fs/cgroup/system.slice/memory.stat":                     stat2,
			"sys/fs/cgroup/system.slice/roomcast.service/memory.max":     "9000\n",
			"sys/fs/cgroup/system.slice/roomcast.service/memory.current": "1\n",
		}, 0, 4000, 1400},
		"version 2 without a limit": {map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "max\n",
		}, 0, 0, own},
		"version 1, on the host": {map[string]string{
			"proc/self/cgroup":                                    "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "4000\n",
			"sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes": "3000\n",
			"sys/fs/cgroup/memory/docker/1/memory.stat":           stat1,
		}, 0, 4000, 1500},
		"version 1, in a container that sees its own group only": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "4000\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "3000\n",
			"sys/fs/cgroup/memory/memory.stat":           stat1,
		}, 0, 4000, 1500},
		"a setting that is less than the cgroup's": {map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/memory.max": "4000\n",
		}, 1000, 1000, own},
		"a setting that is the cgroup's": {map[string]string{
			"proc/self/cgroup":             "0::/\n",
			"sys/fs/cgroup/memory.max":     "4000\n",
			"sys/fs/cgroup/memory.current": "3000\n", "sys/fs/cgroup/memory.stat": stat2,
		}, 4000, 4000, 1400},
		"a path that leads out": {map[string]string{
			"proc/self/cgroup": "0::/../../../etc\n", "sys/fs/cgroup/memory.max": "4000\n",
			"sys/fs/cgroup/memory.current": "3000\n", "sys/fs/cgroup/memory.stat": stat2,
		}, 0, 4000, 1400},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, c.files)
			require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/self"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(root, "proc/self/statm"), []byte(statm), 0o600))
			g := at(root, c.setting)
			assert.Equal(t, c.limit, g.Limit())
			assert.Equal(t, c.limit*2/5, g.GoLimit())
			used, err := g.Used()
			require.NoError(t, err)
			assert.Equal(t, c.used, used)
		})
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	files := map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4000\n"}
	_, err := at(tree(t, files), 0).Used()
	require.ErrorIs(t, err, os.ErrNotExist)
	files["sys/fs/cgroup/memory.current"] = "much\n"
	_, err = at(tree(t, files), 0).Used()
	require.Error(t, err)
	_, err = at(tree(t, map[string]string{"proc/self/statm": "5"}), 0).Used()
	require.Error(t, err)
}

func TestWhatThisProcessTakesIsCounted(t *testing.T) {
	for name, setting := range map[string]int64{"as it is here": 0, "by a setting": 1 << 24} {
		t.Run(name, func(t *testing.T) {
			g := New(setting)
			const size = 256 << 20
			var more int64
			for range 3 { // others here may give back as much at the same time
				debug.FreeOSMemory()
				before, err := g.Used()
				require.NoError(t, err)
				require.Positive(t, before)
				block := make([]byte, size)
				for i := 0; i < len(block); i += os.Getpagesize() {
					block[i] = 1
				}
				after, err := g.Used()
				require.NoError(t, err)
				runtime.KeepAlive(block)
				if more = after - before; more > size/4*3 {
					break
				}
			}
			assert.Greater(t, more, int64(size/4*3)) // the race detector takes as much again
		})
	}
}

func BenchmarkUsed(b *testing.B) {
	for name, setting := range map[string]int64{"cgroup": 0, "own": 1 << 24} {
		b.Run(name, func(b *testing.B) {
			g := New(setting)
			for b.Loop() {
				if _, err := g.Used(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
