package console

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func get(h http.Handler, target string, encodings ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for _, e := range encodings {
		r.Header.Add("Accept-Encoding", e)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestThePageAndWhatItLoadsAreThere(t *testing.T) {
	h := Handler()
	for _, target := range []string{"/", "/new", "/workers", "/pushes/7"} {
		w := get(h, target)
		require.Equal(t, http.StatusOK, w.Code)
		assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
		assert.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe")
		assert.Equal(t, get(h, "/").Body.String(), w.Body.String())
	}
	page := get(h, "/").Body.String()
	loads := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, loads)
	scripts := 0
	for _, load := range loads {
		require.Regexp(t, `^/assets/`, load[1], "from this host alone, and out of the hashed files")
		w := get(h, load[1])
		require.Equal(t, http.StatusOK, w.Code, load[1])
		assert.Equal(t, "public, max-age=31536000, immutable", w.Header().Get("Cache-Control"))
		if w.Header().Get("Content-Type") == types[".js"] {
			scripts++
		}
	}
	assert.NotZero(t, scripts)
	assert.NotRegexp(t, `<style|style="|<script[^>]*>[^<]| on[a-z]+="`, page, "the policy lets nothing inline run")
}

func TestAFileComesAsSmallAsTheClientTakesIt(t *testing.T) {
	h := handler(fstest.MapFS{
		"assets/a-1.js":     {Data: []byte("plain")},
		"assets/a-1.js.br":  {Data: []byte("br")},
		"assets/a-1.js.gz":  {Data: []byte("gz")},
		"assets/b-1.css":    {Data: []byte("plain")},
		"assets/b-1.css.gz": {Data: []byte("gz")},
		"index.html":        {Data: []byte("plain")},
		"index.html.br":     {Data: []byte("br")},
		"assets/secret.txt": {Data: []byte("no kind of ours")},
	})
	for name, tt := range map[string]struct {
		target, accept, encoding, body string
	}{
		"brotli before gzip":            {"/assets/a-1.js", "gzip, deflate, br, zstd", "br", "br"},
		"gzip where there is no more":   {"/assets/b-1.css", "gzip, br", "gzip", "gz"},
		"gzip for who takes no brotli":  {"/assets/a-1.js", "gzip", "gzip", "gz"},
		"as it is for who takes none":   {"/assets/a-1.js", "", "", "plain"},
		"as it is for who refuses both": {"/assets/a-1.js", "br;q=0, gzip;q=0.0", "", "plain"},
		"a weight":                      {"/assets/a-1.js", "br; q=0.1", "br", "br"},
		"a weight that is none":         {"/assets/a-1.js", "br;q=x", "", "plain"},
		"the page, too":                 {"/", "br", "br", "br"},
	} {
		t.Run(name, func(t *testing.T) {
			w := get(h, tt.target, tt.accept)
			require.Equal(t, http.StatusOK, w.Code)
			assert.Equal(t, tt.encoding, w.Header().Get("Content-Encoding"))
			assert.Equal(t, tt.body, w.Body.String())
			assert.Contains(t, w.Header().Values("Vary"), "Accept-Encoding")
		})
	}
	for _, target := range []string{"/assets/", "/assets/none.js", "/assets/a-1.js.br", "/assets/secret.txt", "/assets/../index.html", "/assets/..%2findex.js"} {
		w := get(h, target)
		assert.Equal(t, http.StatusNotFound, w.Code, target)
		assert.Equal(t, "no-store", w.Header().Get("Cache-Control"), target)
	}
}
