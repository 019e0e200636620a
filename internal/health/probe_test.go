package health_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/health"
)

func TestAProbeFindsTheProcessByItsSetting(t *testing.T) {
	srv := httptest.NewServer(health.Handler(health.Check{Name: "redis", Run: away}))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	for _, listen := range []string{"127.0.0.1:" + port, ":" + port, "0.0.0.0:" + port} {
		assert.NoError(t, health.Probe(t.Context(), listen), listen)
	}
}

func TestAProbeFailsWhereNothingLives(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	addr := srv.Listener.Addr().String()
	assert.ErrorContains(t, health.Probe(t.Context(), addr), "404")
	srv.Close()
	assert.Error(t, health.Probe(t.Context(), addr))
	assert.ErrorContains(t, health.Probe(t.Context(), "off"), "nothing to ask")
}
