package egress

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	proxyHeaderTime  = 10 * time.Second // for libav to send a request's head
	proxyIdleTime    = time.Minute
	proxyHeaderBytes = 64 << 10
)

var errRequest = errors.New("the proxy takes GET and HEAD of http addresses")

// proxy is the loopback forward proxy that all http and https input of a
// process goes through. It does the TLS of https, and follows no redirects:
// libav does, through it.
type proxy struct {
	gate    *Gate
	server  *http.Server
	address string
	serving chan struct{}  // closed when Serve has returned
	conns   sync.WaitGroup // connections the server still owns
}

func startProxy(g *Gate) (*proxy, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{gate: g, address: listener.Addr().String(), serving: make(chan struct{})}
	p.server = &http.Server{
		Handler:           p,
		ReadHeaderTimeout: proxyHeaderTime,
		IdleTimeout:       proxyIdleTime,
		MaxHeaderBytes:    proxyHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.cfg.Log.Handler(), slog.LevelWarn),
		ConnState: func(_ net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				p.conns.Add(1)
			case http.StateClosed, http.StateHijacked:
				p.conns.Done()
			}
		},
	}
	go func() {
		defer close(p.serving)
		_ = p.server.Serve(listener) // always ErrServerClosed
	}()
	return p, nil
}

func (p *proxy) close() {
	_ = p.server.Close()
	<-p.serving
	p.conns.Wait()
}

// url is libav's http_proxy option for w. libav sends the password only after
// a 407 that asks for it.
func (p *proxy) url(w *way) media.Secret {
	u := url.URL{Scheme: "http", User: url.UserPassword(w.user, w.password), Host: p.address}
	return media.Secret(u.String())
}

func (p *proxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := p.authenticate(r)
	if w == nil || !w.begin() {
		rw.Header().Set("Proxy-Authenticate", `Basic realm="roomcast"`)
		rw.Header().Set("Connection", "close")
		echoRange(rw.Header(), r.Header)
		rw.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	defer w.running.Done()
	ctx, cancel := w.bind(r.Context())
	defer cancel()
	if !w.guard(func() { p.forward(w, rw, r.WithContext(ctx)) }) {
		panic(http.ErrAbortHandler) // or what has gone to libav would look whole
	}
}

// authenticate returns the way whose user and password r carries, or nil.
func (p *proxy) authenticate(r *http.Request) *way {
	scheme, encoded, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil
	}
	user, password, _ := strings.Cut(string(text), ":")
	w := p.gate.way(user)
	if w == nil || subtle.ConstantTimeCompare([]byte(password), []byte(w.password)) != 1 {
		return nil
	}
	return w
}

// echoRange tells libav in a demand for a password that it would get the range
// it asked for: it gives up on an offset that is not the one it asked for, also
// in such an answer (http_connect in http.c).
func echoRange(answer, request http.Header) {
	from, _, _ := strings.Cut(strings.TrimPrefix(request.Get("Range"), "bytes="), "-")
	if n, err := strconv.ParseInt(from, 10, 64); err == nil && n > 0 {
		answer.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", n, n, n+1))
	}
}

// refuse answers for a source that was not connected to. The reason is in the
// way; libav sees the status.
func refuse(rw http.ResponseWriter, err error) {
	status := http.StatusBadGateway
	switch media.KindOf(err) { //nolint:exhaustive // the others are all bad gateways
	case media.KindSourceBlocked:
		status = http.StatusForbidden
	case media.KindSourceInvalid:
		status = http.StatusBadRequest
	}
	rw.Header().Set("Connection", "close")
	rw.WriteHeader(status)
}

// parse is the check of an address libav asks for: the same as a request's. A
// port from media.TLSPort on means https.
func (p *proxy) parse(authority string) (target, error) {
	scheme := "http"
	if i := strings.LastIndexByte(authority, ':'); i >= 0 {
		if n, err := strconv.Atoi(authority[i+1:]); err == nil && n > media.TLSPort {
			scheme, authority = "https", authority[:i+1]+strconv.Itoa(n-media.TLSPort)
		}
	}
	t, err := parseAuthority(scheme, authority)
	if err != nil {
		return t, err
	}
	if !p.gate.carries(scheme) {
		return t, blocked(t, errScheme)
	}
	return t, nil
}
