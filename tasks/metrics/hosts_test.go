package metrics

import "testing"

func TestTheMediaHostsOfAWorkerAreTold(t *testing.T) {
	s := New("worker", "v1")
	s.WatchHosts(func() Hosts {
		return Hosts{
			Running: map[string]int{"shared": 2, "idle": 0}, Deaths: map[string]int64{"crashed": 3}, Started: 9, Memory: 1 << 20,
			Sandbox: map[string]bool{"landlock": false, "seccomp": true},
		}
	})
	requireLines(t, s, `roomcast_media_hosts{kind="idle"} 0`, `roomcast_media_hosts{kind="shared"} 2`, `roomcast_media_host_starts_total 9`,
		`roomcast_media_host_deaths_total{how="crashed"} 3`, `roomcast_media_host_memory_bytes 1.048576e+06`,
		`roomcast_sandbox{part="landlock"} 0`, `roomcast_sandbox{part="seccomp"} 1`)
}
