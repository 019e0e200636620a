package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// doctor runs roomcast doctor against the stack.
func (s *stack) doctor() (string, error) {
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(bin, "roomcast"), "doctor")
	cmd.Env = append(cmd.Environ(), "ROOMCAST_API="+s.url, "ROOMCAST_API_KEY="+apiKey)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func codeOf(push map[string]any) any {
	trouble, _ := push["trouble"].(map[string]any)
	return trouble["code"]
}

func TestWhoFindsNoWorkerOrNoFreeSlotIsToldInTheAnswer(t *testing.T) {
	beside(t)
	s := newStack(t, options{workers: -1, env: []string{"ROOMCAST_WORKER_SLOTS=1"}})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 20})})
	post := func(user string) map[string]any {
		t.Helper()
		a := s.do(http.MethodPost, "/v1/pushes", s.request(files.URL+"/a", "r", user, nil))
		require.Equal(t, http.StatusAccepted, a.code, a.raw)
		return a.body
	}
	first := post("u1")
	require.Equal(t, "no_worker", codeOf(first))
	out, err := s.doctor()
	require.Error(t, err, out)
	require.Contains(t, out, "FAIL  no worker is running: start one")

	s.addWorker()
	id, _ := first["id"].(string)
	s.waitStatus(id, "publishing")
	second := post("u2")
	require.Equal(t, "no_free_slot", codeOf(second))
	out, err = s.doctor()
	require.NoError(t, err, out)
	require.Contains(t, out, "note  no worker has a free slot")
	var worker map[string]any
	require.Eventually(t, func() bool {
		list, _ := s.do(http.MethodGet, "/v1/workers", nil).body["workers"].([]any)
		if len(list) == 1 {
			worker, _ = list[0].(map[string]any)
		}
		return worker["used"] == 1.0
	}, patience, 50*time.Millisecond)
	require.Equal(t, "ready", worker["state"])
	require.Equal(t, true, worker["hasSecretKey"])
	require.Equal(t, "holds", worker["sandbox"])
	require.Eventually(t, func() bool {
		list, _ := s.do(http.MethodGet, "/v1/workers", nil).body["workers"].([]any)
		one, _ := list[0].(map[string]any)
		cores, told := one["cpuCores"].(float64)
		bytes, _ := one["memoryBytes"].(float64)
		return told && cores >= 0 && bytes > 1<<20
	}, 10*time.Second, 100*time.Millisecond, "it tells what it takes of its machine")

	s.stop(id)
	id, _ = second["id"].(string)
	push := s.waitStatus(id, "publishing")
	require.Nil(t, push["trouble"])
	s.stop(id)
	s.waitStatus(id, "stopped")
	require.Nil(t, codeOf(post("u3")), "there is room")
	out, err = s.doctor()
	require.NoError(t, err, out)
}
