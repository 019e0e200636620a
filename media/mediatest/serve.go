package mediatest

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve serves files on loopback, with range requests, until the end of the
// test: files maps a name to a path, and URL + "/" + name is its address.
func Serve(t testing.TB, files map[string]string) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	for name, path := range files {
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, path)
		})
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// ServeFolder serves the files of a folder until the end of the test and
// returns its address.
func ServeFolder(t testing.TB, dir string) string {
	t.Helper()
	return ServeHandler(t, http.FileServer(http.Dir(dir)))
}
