package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
)

// click asks as a browser does that remembers the password of the monitor, for
// a page of site.
func (i *instance) click(method, path, site string) int {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.base+path, nil)
	require.NoError(i.t, err)
	r.SetBasicAuth("anyone", apiKey)
	r.Header.Set("Sec-Fetch-Site", site)
	w, err := http.DefaultClient.Do(r)
	require.NoError(i.t, err)
	require.NoError(i.t, w.Body.Close())
	return w.StatusCode
}

func TestTheMonitorStopsAPushForItsOwnPageOnly(t *testing.T) {
	for name, button := range map[string]struct{ method, before, after string }{
		"Cancel": {"POST", "/monitor/api/queues/push/active_tasks/", ":cancel"},
		"Delete": {"DELETE", "/monitor/api/queues/push/pending_tasks/", ""},
	} {
		t.Run(name, func(t *testing.T) {
			i := start(t, redistest.New(t, redistest.Config{}))
			status, header, body := i.do("POST", "/v1/pushes", request(""))
			require.Equal(t, 202, status, body)
			id := header.Get("X-Request-Id")
			path := button.before + id + ".1" + button.after

			assert.Equal(t, 403, i.click(button.method, path, "cross-site"))
			_, _, body = i.do("GET", "/v1/pushes/"+id, "")
			assert.Contains(t, body, `"desired":"run"`)

			for range 2 {
				assert.Equal(t, 204, i.click(button.method, path, "same-origin"))
				_, _, body = i.do("GET", "/v1/pushes/"+id, "")
				assert.Contains(t, body, `"status":"stopped"`)
			}
		})
	}
}
