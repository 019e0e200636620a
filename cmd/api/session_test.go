package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
)

// signIn returns the cookie of a session.
func (i *instance) signIn() *http.Cookie {
	i.t.Helper()
	w, err := i.api.Post(i.base+"/v1/session", "application/json", strings.NewReader(`{"key":"`+apiKey+`"}`))
	require.NoError(i.t, err)
	require.NoError(i.t, w.Body.Close())
	require.Equal(i.t, 200, w.StatusCode)
	require.Len(i.t, w.Cookies(), 1)
	return w.Cookies()[0]
}

// browse asks with a cookie, for a page of site.
func (i *instance) browse(method, path, site string, cookie *http.Cookie) int {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.base+path, nil)
	require.NoError(i.t, err)
	r.AddCookie(cookie)
	r.Header.Set("Sec-Fetch-Site", site)
	w, err := i.api.Do(r)
	require.NoError(i.t, err)
	require.NoError(i.t, w.Body.Close())
	return w.StatusCode
}

func TestASessionHoldsInEveryProcessWithTheSecretKeyAsLongAsItsKeyIsOne(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	first := start(t, redis)
	cookie := first.signIn()
	newKey := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))
	other := sha256.Sum256([]byte("canary-other"))
	for name, tt := range map[string]struct {
		setting string
		status  int
	}{
		"a second process":                   {"ROOMCAST_SECRET_KEY=" + secretKey, 200},
		"after a rotation of the secret key": {"ROOMCAST_SECRET_KEY=" + newKey + "," + secretKey, 200},
		"with another secret key":            {"ROOMCAST_SECRET_KEY=" + newKey, 401},
		"when the API key is taken out":      {"ROOMCAST_API_KEYS=ops:" + hex.EncodeToString(other[:]), 401},
	} {
		t.Run(name, func(t *testing.T) {
			i := start(t, redis, tt.setting)
			for _, path := range []string{"/v1/pushes", "/v1/workers", "/monitor"} {
				assert.Equal(t, tt.status, i.browse("GET", path, "same-origin", cookie), path)
			}
			assert.NotContains(t, i.text(), cookie.Value)
		})
	}
	assert.NotContains(t, first.text(), cookie.Value)
}

func TestTheMonitorsCancelWorksByASession(t *testing.T) {
	i := start(t, redistest.New(t, redistest.Config{}))
	cookie := i.signIn()
	const button = "/monitor/api/queues/push/active_tasks/p.1:cancel"
	assert.Equal(t, 403, i.browse("POST", button, "cross-site", cookie))
	assert.Equal(t, 204, i.browse("POST", button, "same-origin", cookie))
}
