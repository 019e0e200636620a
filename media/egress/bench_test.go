package egress

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkProxyAgainstDirect reads the same body straight and through the
// proxy, turn by turn, and reports how much of the direct rate is left.
func BenchmarkProxyAgainstDirect(b *testing.B) {
	body := make([]byte, 32<<20)
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.ServeContent(rw, r, "a.ts", time.Time{}, bytes.NewReader(body))
	})
	for name, start := range map[string]func(http.Handler) *httptest.Server{
		"http": httptest.NewServer, "https": httptest.NewTLSServer,
	} {
		b.Run(name, func(b *testing.B) {
			origin := start(handler)
			defer origin.Close()
			w := openWay(b, newGate(b, Config{Allow: []string{"127.0.0.1"}, TLSRoots: roots(origin)}), origin.URL)
			transport := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: roots(origin)}}
			through, direct := viaProxy(b, w), &http.Client{Transport: transport}
			defer direct.CloseIdleConnections()
			var straight, proxied time.Duration
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				straight += read(b, direct, origin.URL)
				proxied += read(b, through, origin.URL)
			}
			megabytes := float64(len(body)) * float64(b.N) / 1e6
			b.ReportMetric(megabytes/straight.Seconds(), "direct-MB/s")
			b.ReportMetric(megabytes/proxied.Seconds(), "proxy-MB/s")
			b.ReportMetric(straight.Seconds()/proxied.Seconds(), "of-direct")
		})
	}
}

func read(b *testing.B, c *http.Client, url string) time.Duration {
	b.Helper()
	start := time.Now()
	resp, err := c.Get(url)
	require.NoError(b, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(b, err)
	_ = resp.Body.Close()
	return time.Since(start)
}

// BenchmarkSmallRequest is the price of one playlist or key: a request of its
// own through the proxy, connection to the source included.
func BenchmarkSmallRequest(b *testing.B) {
	origin := newOrigin(b, func(http.ResponseWriter, *http.Request) {})
	w := openWay(b, newGate(b, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	c := viaProxy(b, w)
	for b.Loop() {
		read(b, c, origin.URL)
	}
}
