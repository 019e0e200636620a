package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
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
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.workers[0].cmd.Process.Pid))
	require.NoError(t, err)
	addr, _ := s.workers[0].waitLine(t, "worker started")["addr"].(string)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^go_goroutines (\d+)$`).FindSubmatch(text)
	require.NotNil(t, found)
	goroutines, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return usage{goroutines: goroutines, files: len(files)}
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
