package egress

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestHeadersGoToTheSourcesOriginAlone(t *testing.T) {
	seen := make(chan http.Header, 8)
	var elsewhere string
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		if r.URL.Path == "/moved" {
			http.Redirect(rw, r, elsewhere, http.StatusFound)
		}
	})
	plain, other, secure := httptest.NewServer(handler), httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(func() { plain.Close(); other.Close(); secure.Close() })
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}, TLSRoots: roots(secure)})
	for _, own := range []*httptest.Server{plain, secure} {
		w, err := g.open(t.Context(), media.SourceRequest{URL: media.Secret(own.URL + "/a"), Headers: map[string]media.Secret{
			"Authorization": "Bearer canary", "cookie": "a=canary", "User-Agent": "mine",
		}})
		require.NoError(t, err)
		t.Cleanup(w.Close)
		c := viaProxy(t, w)
		get(t, c, own.URL+"/b")
		got := <-seen
		require.Equal(t, "Bearer canary", got.Get("Authorization"))
		require.Equal(t, "a=canary", got.Get("Cookie"))
		require.Equal(t, "mine", got.Get("User-Agent"))
		for _, strange := range []*httptest.Server{plain, other, secure} {
			if strange == own {
				continue
			}
			elsewhere = strange.URL + "/b"
			for _, link := range []string{own.URL + "/moved", elsewhere} {
				get(t, c, link)
				if link != elsewhere {
					require.NotEmpty(t, (<-seen).Get("Authorization"))
				}
				got := <-seen
				require.Empty(t, got.Get("Authorization"), "%s to %s", own.URL, strange.URL)
				require.Empty(t, got.Get("Cookie"))
				require.NotEqual(t, "mine", got.Get("User-Agent"))
			}
		}
	}
}

func TestHeadersThatCannotBeSentAreRefused(t *testing.T) {
	g := newGate(t, Config{})
	for name, value := range map[string]media.Secret{
		"X-A": "canary\r\nHost: evil", "X-B": "canary\nc", "X-C\r\nHost": "canary", "": "canary", "X C": "canary",
		"X:": "canary", "X-Nul": "canary\x00b", "Host": "canary", "proxy-authorization": "canary",
		"Content-Length": "9", "Transfer-Encoding": "chunked", "Range": "bytes=1-", "Accept-Encoding": "gzip",
	} {
		_, err := g.Open(t.Context(), media.SourceRequest{
			URL: "http://example.com/", Headers: map[string]media.Secret{name: value},
		})
		requireKind(t, media.KindSourceInvalid, err)
		require.NotContains(t, err.Error(), "canary")
	}
	require.NoError(t, CheckHeaders(map[string]media.Secret{"X-Two": "2\t3", "referer": "http://a/?b"}))
}

func TestAnErrorStatusIsTheReason(t *testing.T) {
	status := 0
	origin := newOrigin(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) })
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	for code, kind := range map[int]media.Kind{
		400: media.KindSourceNotFound, 401: media.KindSourceUnauthorized, 403: media.KindSourceUnauthorized,
		404: media.KindSourceNotFound, 408: media.KindSourceUnavailable, 410: media.KindSourceGone,
		416: media.KindSourceInvalid, 429: media.KindSourceUnavailable, 451: media.KindSourceUnauthorized,
		500: media.KindSourceUnavailable, 502: media.KindSourceUnavailable, 503: media.KindSourceUnavailable, 599: media.KindSourceUnavailable,
	} {
		status = code
		resp, _ := get(t, viaProxy(t, w), origin.URL)
		require.Equal(t, code, resp.StatusCode)
		requireKind(t, kind, w.Refusal())
	}
	status = 200
	get(t, viaProxy(t, w), origin.URL)
	require.NoError(t, w.Refusal(), "it answers again")
}

func TestRedirectsInACircleEnd(t *testing.T) {
	requests := 0
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		requests++
		http.Redirect(rw, r, "/again", http.StatusFound)
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	resp, _ := get(t, viaProxy(t, w), origin.URL)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.Equal(t, maxTurns+1, requests)
	requireKind(t, media.KindSourceInvalid, w.Refusal())
}

func TestARedirectKeepsItsSignature(t *testing.T) {
	const path = "/%7Ea//b?sig=a*b|c%zz"
	at := target{scheme: "https", host: "a.example", port: 443}
	for link, want := range map[string]string{
		"https://b.example" + path:      "http://b.example:65979" + path,
		"HTTPS://b.example:8443" + path: "http://b.example:73979" + path,
		"https://u:p@[2001:db8::1]/x":   "http://u:p@[2001:db8::1]:65979/x",
		"http://b.example" + path:       "http://b.example" + path,
		"//b.example/x":                 "http://b.example:65979/x",
		path:                            path,
		"c.ts":                          "c.ts",
		"file:///etc/passwd":            "file:///etc/passwd",
		"https://":                      "https://",
	} {
		require.Equal(t, want, markLink(at, link))
	}
}
