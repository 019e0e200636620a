package egress

import (
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(entries)
}

func TestAHundredWaysLeaveNothingBehind(t *testing.T) {
	origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "x") })
	before := descriptors(t)
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	for range 100 {
		w, err := g.open(t.Context(), media.SourceRequest{URL: media.Secret(origin.URL)})
		require.NoError(t, err)
		c := viaProxy(t, w)
		get(t, c, origin.URL)
		c.CloseIdleConnections()
		w.Close()
	}
	require.Empty(t, g.ways)
	g.Close()
	// The other ends, the origin's and the client's, close in their own time.
	require.Eventually(t, func() bool { return descriptors(t) <= before }, testTime, 5*time.Millisecond)
}
