package e2e

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// A request's headers open a source that refuses everybody else.
func TestASourceBehindAHeaderIsPlayed(t *testing.T) {
	beside(t)
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 20})
	guarded := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer of-the-request" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		http.ServeFile(w, r, clip)
	}))
	t.Cleanup(guarded.Close)
	s := newStack(t, options{})
	id := s.push(guarded.URL+"/a", "r", "u", fields{"Headers": fields{"authorization": "Bearer of-the-request"}})
	_, err := s.room.WaitMedia(patient(t), "u", time.Second)
	require.NoError(t, err)
	require.Equal(t, []any{"authorization"}, s.get(id)["headers"])
	s.stop(id)
	s.waitStatus(id, "stopped")

	s.waitStatus(s.push(guarded.URL+"/a", "r", "v", nil), "failed")
}
