package egress

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func newOrigin(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func get(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func TestTheProxyPassesRequestsAndAnswers(t *testing.T) {
	var seen string
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		head, _ := httputil.DumpRequest(r, false)
		seen = string(head)
		rw.Header()["Content-Type"] = nil
		rw.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(rw, "<html>short and stout")
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	req, err := http.NewRequest(http.MethodGet, origin.URL+"/a%2Fb/%7e{x}//c?sig=a*b|c%zz", nil)
	require.NoError(t, err)
	req.Header = http.Header{
		"Icy-Metadata": {"1"}, "User-Agent": {"Lavf/62"}, "Connection": {"X-Mine"}, "X-Mine": {"1"},
		"Te": {"trailers"}, "Upgrade": {"h2c"}, "Range": {"bytes=0-"},
	}
	resp, err := viaProxy(t, w).Do(req)
	require.NoError(t, err)
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()

	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, "<html>short and stout", string(body))
	require.Equal(t, int64(len(body)), resp.ContentLength)
	require.Empty(t, resp.Header["Content-Type"], "the proxy guessed a type")
	require.Contains(t, seen, req.URL.RequestURI()+" HTTP/1.1")
	require.Contains(t, seen, "User-Agent: Lavf/62")
	require.Contains(t, seen, "Icy-Metadata: 1")
	require.Contains(t, seen, "Range: bytes=0-")
	require.NotContains(t, seen, "Proxy-")
	require.NotContains(t, seen, "X-Mine")
	require.NotContains(t, seen, "Upgrade")
	require.NotContains(t, seen, "X-Forwarded")
	requireKind(t, media.KindSourceNotFound, w.Refusal()) // an error status is a reason

	resp, got := get(t, viaProxy(t, w), speak(t, "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"+
		"Keep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\nX-End: 1\r\n\r\nx"))
	require.Equal(t, "x", got)
	require.Equal(t, "1", resp.Header.Get("X-End"))
	for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authenticate"} {
		require.Empty(t, resp.Header[name])
	}
}

// rawRequest speaks as libav does and returns the answer, its body read.
func rawRequest(t testing.TB, proxy, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", proxy)
	require.NoError(t, err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testTime))
	_, err = io.WriteString(conn, request)
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

func TestTargetsReachTheSourceByteForByte(t *testing.T) {
	targets := make(chan string, 1)
	origin := newOrigin(t, func(_ http.ResponseWriter, r *http.Request) { targets <- r.RequestURI })
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(w.user+":"+w.password))
	for sent, want := range map[string]string{
		"": "/", "/": "/", "?a=b": "/?a=b", "/a?": "/a?", "//a//b?c": "//a//b?c", "/{a}|^`%7E%2f?s=a*b'\"": "/{a}|^`%7E%2f?s=a*b'\"",
		"/a:b@c;d,e?x=http://h/?y": "/a:b@c;d,e?x=http://h/?y",
	} {
		rawRequest(t, w.gate.proxy.address, fmt.Sprintf(
			"GET %s%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nProxy-Authorization: %s\r\n\r\n", origin.URL, sent, auth))
		require.Equal(t, want, <-targets)
	}
}

func TestWithoutThePasswordNothingIsDialled(t *testing.T) {
	secret := newInside(t, "127.0.0.1:0")
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	w, other := openWay(t, g, "http://127.0.0.1/"), openWay(t, g, "http://127.0.0.1/")
	closed := openWay(t, g, "http://127.0.0.1/")
	closed.Close()
	basic := func(s string) string {
		return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(s)) + "\r\n"
	}
	for name, header := range map[string]string{
		"none":              "",
		"wrong":             basic(w.user + ":" + strings.Repeat("x", len(w.password))),
		"shorter":           basic(w.user + ":" + w.password[1:]),
		"empty":             basic(w.user + ":"),
		"another way's":     basic(w.user + ":" + other.password),
		"no user":           basic(":" + w.password),
		"a closed way's":    basic(closed.user + ":" + closed.password),
		"not base64":        "Proxy-Authorization: Basic ???\r\n",
		"another scheme":    strings.Replace(basic(w.user+":"+w.password), "Basic", "Bearer", 1),
		"for the source":    strings.Replace(basic(w.user+":"+w.password), "Proxy-", "", 1),
		"without a colon":   basic(w.user + w.password),
		"nothing but Basic": "Proxy-Authorization: Basic\r\n",
	} {
		for _, line := range []string{
			"GET http://%[1]s/ HTTP/1.1\r\nHost: %[1]s\r\n%[2]s\r\n",
			"GET http://127.0.0.1:65979/ HTTP/1.1\r\nHost: %[1]s\r\n%[2]s\r\n",
			"CONNECT %[1]s HTTP/1.1\r\nHost: %[1]s\r\n%[2]s\r\n",
		} {
			resp := rawRequest(t, g.proxy.address, fmt.Sprintf(line, secret.listener.Addr(), header))
			require.Equal(t, http.StatusProxyAuthRequired, resp.StatusCode, name)
			require.Equal(t, `Basic realm="roomcast"`, resp.Header.Get("Proxy-Authenticate"))
		}
	}
	secret.requireUntouched(t)
}

func TestRequestsThatAreNotForAProxyAreRefused(t *testing.T) {
	secret := newInside(t, "127.0.0.1:0")
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), "http://127.0.0.1/")
	auth := "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(w.user+":"+w.password)) + "\r\n"
	at := secret.listener.Addr().String()
	for _, head := range []string{
		"GET / HTTP/1.1\r\nHost: " + at + "\r\n",
		"GET https://" + at + "/ HTTP/1.1\r\nHost: " + at + "\r\n",
		"GET ftp://" + at + "/ HTTP/1.1\r\nHost: " + at + "\r\n",
		"POST http://" + at + "/ HTTP/1.1\r\nHost: " + at + "\r\n",
		"DELETE http://" + at + "/ HTTP/1.1\r\nHost: " + at + "\r\n",
		"GET http://" + at + "/ HTTP/1.1\r\nHost: " + at + "\r\nContent-Length: 1\r\n",
		"CONNECT " + at + " HTTP/1.1\r\nHost: " + at + "\r\n",
		"GET http:///x HTTP/1.1\r\nHost: " + at + "\r\n",
	} {
		resp := rawRequest(t, w.gate.proxy.address, head+auth+"\r\n")
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, head)
	}
	secret.requireUntouched(t)
}

func TestInsideThroughTheProxyIsRefused(t *testing.T) {
	secret := newInside(t, "127.0.0.2:0")
	at := secret.listener.Addr().String()
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://"+at+"/key?token=canary", http.StatusFound)
	})
	answers := map[string][][]string{"in.example": {{"127.0.0.2"}}}
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}, Resolver: newNames(answers)})
	for _, link := range []string{
		origin.URL + "/redirect", "http://" + at, "https://" + at, "http://in.example:" + secret.port(),
		"https://in.example:" + secret.port(), "http://[::1]:" + secret.port(), "http://2130706434:" + secret.port(),
		"https://0x7f.2:" + secret.port(), "http://[::ffff:127.0.0.2]:" + secret.port(),
	} {
		w := openWay(t, g, origin.URL)
		resp, err := viaProxy(t, w).Get(link)
		require.NoError(t, err)
		_ = resp.Body.Close()
		if strings.Contains(link, "in.example") { // as a name that does not exist
			require.Equal(t, http.StatusBadGateway, resp.StatusCode)
			requireKind(t, media.KindSourceHost, w.Refusal())
			continue
		}
		require.Equal(t, http.StatusForbidden, resp.StatusCode)
		requireKind(t, media.KindSourceBlocked, w.Refusal())
		require.NotContains(t, w.Refusal().Error(), "canary")
	}
	secret.requireUntouched(t)
}

func TestEveryRequestResolvesAnew(t *testing.T) {
	secret := newInside(t, "127.0.0.3:0")
	listener, err := net.Listen("tcp", "127.0.0.2:"+secret.port())
	require.NoError(t, err)
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_ = origin.Listener.Close()
	origin.Listener = listener
	origin.Start()
	defer origin.Close()
	resolver := newNames(map[string][][]string{"a.example": {{"127.0.0.2"}, {"127.0.0.3"}}})
	g := newGate(t, Config{Allow: []string{"127.0.0.2"}, Resolver: resolver})
	link := "http://a.example:" + secret.port() + "/"
	w := openWay(t, g, link)
	c := viaProxy(t, w)
	resp, _ := get(t, c, link)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp, _ = get(t, c, link)
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	secret.requireUntouched(t)
}

func TestRefusalTellsFailureFromBlockAndForgetsWhatPassed(t *testing.T) {
	origin := newOrigin(t, func(http.ResponseWriter, *http.Request) {})
	gone := newInside(t, "127.0.0.1:0")
	_ = gone.listener.Close()
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	c := viaProxy(t, w)
	resp, _ := get(t, c, "http://"+gone.listener.Addr().String()+"/x?canary")
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	requireKind(t, media.KindSourceUnavailable, w.Refusal())
	require.NotContains(t, w.Refusal().Error(), "canary")
	get(t, c, origin.URL)
	require.NoError(t, w.Refusal(), "the source was reached since")
	get(t, c, "http://10.0.0.1/")
	get(t, c, origin.URL)
	get(t, c, "http://"+gone.listener.Addr().String())
	requireKind(t, media.KindSourceBlocked, w.Refusal())
}

// roots trusts origin's certificate, if it has one.
func roots(origin *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	if cert := origin.Certificate(); cert != nil {
		pool.AddCert(cert)
	}
	return pool
}

func TestTLSIsDoneByTheProxyAndVerified(t *testing.T) {
	body := strings.Repeat("x", 1<<20)
	type seen struct{ name, host string }
	requests := make(chan seen, 1)
	origin := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		requests <- seen{r.TLS.ServerName, r.Host}
		_, _ = io.WriteString(rw, body)
	}))
	origin.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	defer origin.Close()
	resolver := newNames(map[string][][]string{"example.com": {{"127.0.0.1"}}, "other.example": {{"127.0.0.1"}}})
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}, Resolver: resolver, TLSRoots: roots(origin)})
	u, _ := url.Parse(origin.URL)
	link := "https://example.com:" + u.Port()
	w := openWay(t, g, link+"/a?b")
	require.True(t, strings.HasPrefix(w.URL.Reveal(), "http://example.com:"), "libav gets no https")
	_, got := get(t, viaProxy(t, w), link)
	require.True(t, body == got)
	require.Equal(t, seen{"example.com", "example.com:" + u.Port()}, <-requests)
	require.NoError(t, w.Refusal())

	resp, _ := get(t, viaProxy(t, w), "https://other.example:"+u.Port())
	require.Equal(t, http.StatusBadGateway, resp.StatusCode, "the certificate is for another name")
	require.ErrorIs(t, w.Refusal(), errCertificate)
	stranger := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}, Resolver: resolver, TLSRoots: x509.NewCertPool()}), link)
	resp, _ = get(t, viaProxy(t, stranger), link)
	require.Equal(t, http.StatusBadGateway, resp.StatusCode, "nobody vouches for the certificate")
	require.ErrorIs(t, stranger.Refusal(), errCertificate)
}

// stuck is an origin that answers a head and then nothing.
func stuck(t testing.TB) (*httptest.Server, chan struct{}) {
	left := make(chan struct{}, 16)
	return newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "video/x-flv")
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
		left <- struct{}{}
	}), left
}

func TestTheEndOfAWayEndsItsConnectionsAndPassword(t *testing.T) {
	origin, left := stuck(t)
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	for name, end := range map[string]func(*way, context.CancelFunc){
		"Close":      func(w *way, _ context.CancelFunc) { w.Close() },
		"ctx":        func(_ *way, cancel context.CancelFunc) { cancel() },
		"Gate.Close": func(w *way, _ context.CancelFunc) { g.Close() },
	} {
		if name == "Gate.Close" {
			defer func() { requireEnds(t, g, origin.URL, left, end) }() // last: the gate is shared
			continue
		}
		requireEnds(t, g, origin.URL, left, end)
	}
}

func requireEnds(t *testing.T, g *Gate, link string, left chan struct{}, end func(*way, context.CancelFunc)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, err := g.open(ctx, media.SourceRequest{URL: media.Secret(link)})
	require.NoError(t, err)
	c := viaProxy(t, w)
	resp, err := c.Get(link)
	require.NoError(t, err)
	start := time.Now()
	end(w, cancel)
	<-left
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err)
	_ = resp.Body.Close()
	w.Close()
	require.Less(t, time.Since(start), 5*time.Second)
	require.Nil(t, g.way(w.user))
	require.NoError(t, w.Refusal(), "the end of a way is not the source's fault")
}

func TestAClosedGateOpensNoWay(t *testing.T) {
	g := newGate(t, Config{})
	g.Close()
	for _, raw := range []media.Secret{"http://example.com/", "rtmp://example.com/a/b"} {
		_, err := g.Open(t.Context(), media.SourceRequest{URL: raw})
		requireKind(t, media.KindInternal, err)
	}
}

func TestAReaderThatStopsReadingDoesNotHoldTheWay(t *testing.T) {
	origin := newOrigin(t, func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = rw.Write(make([]byte, 1<<20))
		}
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), origin.URL)
	resp, err := viaProxy(t, w).Get(origin.URL) // and never reads
	require.NoError(t, err)
	defer resp.Body.Close()
	start := time.Now()
	w.Close()
	require.Less(t, time.Since(start), 5*time.Second)
}
