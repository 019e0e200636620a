package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func fine(context.Context) error  { return nil }
func away(context.Context) error  { return errors.New("dial tcp 10.0.0.7:6379: password canary") }
func found(context.Context) error { return health.Finding{Code: "no_worker", Message: "start one"} }
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestHandler(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		checks     []health.Check
		status     int
		body       string
	}{
		{"a living process is healthy whatever is missing", "/healthz", []health.Check{{Name: "redis", Run: away}}, 200, "ok\n"},
		{"a process without checks is ready", "/readyz", nil, 200, `{"status":"ready","checks":[]}`},
		{"all checks pass", "/readyz", []health.Check{{Name: "redis", Run: fine}}, 200, `{"status":"ready","checks":[{"name":"redis","status":"ok"}]}`},
		{"what only warns is said in words", "/readyz", []health.Check{{Name: "workers", Run: found, Warns: true}}, 200, `[{"name":"workers","status":"warning","code":"no_worker","message":"start one"}]`},
		{"what only warns and has no words", "/readyz", []health.Check{{Name: "workers", Run: away, Warns: true}}, 200, `[{"name":"workers","status":"unknown"}]`},
		{"a check fails in words", "/readyz", []health.Check{{Name: "redis", Run: found}, {Name: "disk", Run: away}}, 503, `"detail":"waiting for disk; start one"`},
		{"one check fails", "/readyz", []health.Check{{Name: "redis", Run: away}, {Name: "disk", Run: fine}}, 503, `"detail":"waiting for redis","code":"not_ready","retryable":true`},
		{"all checks fail", "/readyz", []health.Check{{Name: "redis", Run: away}, {Name: "disk", Run: away}}, 503, "waiting for redis, disk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := get(health.Handler(tt.checks...), tt.path)
			assert.Equal(t, tt.status, w.Code)
			assert.Contains(t, w.Body.String(), tt.body)
			assert.NotContains(t, w.Body.String(), "canary")
		})
	}
}

func TestAHangingCheckIsAnsweredInTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := get(health.Handler(health.Check{Name: "redis", Run: hang}), "/readyz")
		assert.Equal(t, 503, w.Code)
		assert.Equal(t, 2*time.Second, time.Since(start))
	})
}
