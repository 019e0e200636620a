package e2e

import (
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usage is what a worker process holds.
type usage struct{ goroutines, files int }

// worker returns the usage of the first worker.
func (s *stack) worker(t testing.TB) usage {
	t.Helper()
	addr, _ := s.workers[0].waitLine(t, "worker started")["addr"].(string)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	gauge := func(name string) int {
		found := regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindSubmatch(text)
		require.NotNil(t, found, name)
		n, err := strconv.Atoi(string(found[1]))
		require.NoError(t, err)
		return n
	}
	return usage{goroutines: gauge("go_goroutines"), files: gauge("process_open_fds")}
}

// settled returns the usage of the first worker once it is the same a second later: what it
// starts with it has begun then.
func (s *stack) settled(t testing.TB) (u usage) {
	t.Helper()
	require.Eventually(t, func() bool {
		before := u
		u = s.worker(t)
		return u == before
	}, patience, time.Second)
	return u
}

// holderOf returns the worker process that has claimed a push.
func (s *stack) holderOf(id string) *process {
	s.t.Helper()
	name := ""
	require.Eventually(s.t, func() bool {
		name, _ = s.get(id)["worker"].(string)
		return name != ""
	}, patience, 50*time.Millisecond)
	for _, w := range s.workers {
		if w.waitLine(s.t, "worker started")["worker"] == name {
			return w
		}
	}
	s.t.Fatalf("no worker is called %s", name)
	return nil
}
