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

func TestTheMonitorCancelsForItsOwnPageOnly(t *testing.T) {
	i := start(t, redistest.New(t, redistest.Config{}))
	const button = "/monitor/api/queues/push/active_tasks/p.1:cancel"
	assert.Equal(t, 403, i.click("POST", button, "cross-site"))
	assert.Equal(t, 204, i.click("POST", button, "same-origin"))
}
