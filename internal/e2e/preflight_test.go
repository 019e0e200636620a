package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/mediatest"
)

func TestADryRunThatProbesSaysWhatAPushWouldBe(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 2})})
	probe := func(src string) answer {
		t.Helper()
		a := s.do(http.MethodPost, "/v1/pushes?dryRun=true&probe=true", s.request(src, "r", "u", nil))
		require.Equal(t, http.StatusOK, a.code, a.raw)
		return a
	}
	good := probe(files.URL + "/a")
	require.Contains(t, good.raw, `"container":"mov,mp4`)
	require.Contains(t, good.raw, `"plan":{"video":{"action":"copy"`)
	missing := probe(files.URL + "/missing")
	require.Equal(t, "source_not_found", missing.body["error"].(map[string]any)["code"])
	require.Empty(t, s.do(http.MethodGet, "/v1/pushes", nil).body["pushes"])
	require.Empty(t, s.room.Sessions())
}
