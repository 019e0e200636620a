package api_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/roomcast/roomcast/web/api"
)

func TestMetricsAreBehindTheKey(t *testing.T) {
	f := newFace(t, nil)
	assert.Equal(t, http.StatusUnauthorized, f.do(http.MethodGet, "/metrics", "", "Authorization: ").Code)
	w := f.do(http.MethodGet, "/metrics", "")
	assert.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "roomcast_x 1\n", w.Body.String())
	assert.NotContains(t, f.log.String(), "level=INFO msg=request request_id="+w.Header().Get("X-Request-Id"), "a scrape is logged as a probe is")
}

func TestWithoutKeysMetricsAreServedOnLoopback(t *testing.T) {
	f := newFace(t, noKeys)
	assert.Equal(t, http.StatusOK, f.do(http.MethodGet, "/metrics", "", "Host: 127.0.0.1:8080", "Authorization: ").Code)
	assert.Equal(t, http.StatusMisdirectedRequest, f.do(http.MethodGet, "/metrics", "", "Host: evil.example").Code)
}

func TestEachRequestIsToldByRouteAndStatus(t *testing.T) {
	var told []string
	f := newFace(t, func(cfg *api.Config) {
		cfg.Answered = func(route string, status int) { told = append(told, route+" "+strconv.Itoa(status)) }
	})
	f.do(http.MethodGet, "/v1/pushes/"+id, "")
	f.do(http.MethodGet, "/v1/pushes/nobody", "")
	f.do(http.MethodGet, "/v1/pushes", "", "Authorization: ")
	f.do(http.MethodGet, "/any/"+id, "")
	f.do("BREW", "/v1/pushes", "")
	f.blow = "x"
	f.do(http.MethodGet, "/v1/pushes/"+id, "")
	assert.Equal(t, []string{
		"/v1/pushes/:id 200", "/v1/pushes/:id 404", "/v1/pushes 401", " 404", " 405", "/v1/pushes/:id 500",
	}, told)
}
