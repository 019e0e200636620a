package egress

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	userAgent = "Roomcast/1"
	// answerTime is for a source to send its answer's head: the most that
	// ROOMCAST_SOURCE_SILENCE may be, which bounds it for those who read.
	answerTime  = 5 * time.Minute
	idleTime    = 30 * time.Second // for a connection that nobody uses
	answerBytes = 256 << 10        // of an answer's head
	maxTurns    = 8                // redirects before an answer
	opAnswer    = "read the source's answer"
)

var (
	errAnswer = errors.New("the source did not answer as an HTTP server")
	errTurns  = errors.New("the source redirects without end")
)

// Client returns what fetches r's source over http and https, and all that the
// source leads to: each address is checked and resolved when it is connected to,
// cookies are kept as browsers do, r.Headers go to the origin of r.URL alone, and
// connections are of this client alone. Its errors wrap *media.Error; so does that
// of Client, which is CheckURL's or CheckHeaders'. Whoever is done with it calls
// its CloseIdleConnections.
func (g *Gate) Client(r media.SourceRequest) (*http.Client, error) {
	a, err := g.parse(r.URL)
	if err != nil {
		return nil, err
	}
	if err := CheckHeaders(r.Headers); err != nil {
		return nil, err
	}
	jar, err := newJar()
	if err != nil { // it never is
		return nil, &media.Error{Kind: media.KindInternal, Op: opDial, Err: err}
	}
	out := &outlet{gate: g, origin: a.target, headers: r.Headers, all: r.HeadersForAll}
	out.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return out.dial(ctx, "http", address)
		},
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return out.dial(ctx, "https", address)
		},
		DisableCompression:     true, // media is compressed already
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{MaxReceiveBufferPerStream: 2 * receiveBuffer, MaxReceiveBufferPerConnection: 4 * receiveBuffer},
		ResponseHeaderTimeout:  answerTime,
		MaxResponseHeaderBytes: answerBytes,
		IdleConnTimeout:        idleTime,
		MaxIdleConnsPerHost:    2,
	}
	return &http.Client{Transport: out, Jar: jar, CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if len(via) > maxTurns {
			return &media.Error{Kind: media.KindSourceInvalid, Op: opAnswer, Err: described(a.target, errTurns)}
		}
		return nil
	}}, nil
}

// outlet sends the requests of one source.
type outlet struct {
	gate      *Gate
	origin    target
	headers   map[string]media.Secret
	all       bool // media.ForAll counts
	transport *http.Transport
}

// RoundTrip sends one request, to an address that is checked.
func (o *outlet) RoundTrip(r *http.Request) (*http.Response, error) {
	t, err := o.targetOf(r.URL)
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.Header.Set("User-Agent", userAgent)
	out.Header.Del("Referer") // net/http's own tells the next server the address of the one before
	for name, value := range o.headers {
		if t == o.origin || o.all && media.ForAll(name) {
			if strings.EqualFold(name, "Cookie") && out.Header.Get(name) != "" {
				value += media.Secret("; " + out.Header.Get(name))
			}
			out.Header.Set(name, value.Reveal())
		}
	}
	answer, err := o.transport.RoundTrip(out)
	switch {
	case err == nil:
		return answer, nil
	case r.Context().Err() != nil:
		return nil, context.Cause(r.Context())
	case media.KindOf(err) != media.KindInternal:
		return nil, err // dial's
	}
	cause := plainCause(err)
	if errors.Is(cause, errFailed) {
		cause = errAnswer
	}
	return nil, unavailable(t, cause)
}

// CloseIdleConnections is http.Client's.
func (o *outlet) CloseIdleConnections() { o.transport.CloseIdleConnections() }

// targetOf checks an address that may be a redirect's.
func (o *outlet) targetOf(u *url.URL) (target, error) {
	if u.Scheme != "http" && u.Scheme != "https" || !o.gate.carries(u.Scheme) {
		return target{}, blocked(target{}, errScheme)
	}
	t, err := parseAuthority(u.Scheme, u.Host)
	if err != nil {
		return t, err
	}
	return t, o.gate.rules.static(t)
}

func (o *outlet) dial(ctx context.Context, scheme, address string) (net.Conn, error) {
	t, err := parseAuthority(scheme, address)
	if err != nil {
		return nil, err
	}
	if scheme == "https" {
		conn, err := o.gate.handshake(ctx, t, "h2", "http/1.1")
		if err != nil {
			return nil, err
		}
		return conn, nil // of no type of ours: net/http asks it which HTTP it is of
	}
	conn, err := o.gate.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	return &icyConn{Conn: conn}, nil
}

// icyConn makes of a SHOUTcast server's status line one that net/http knows.
type icyConn struct {
	net.Conn
	once sync.Once
	head []byte
	err  error
}

const icyStatus, httpStatus = "ICY ", "HTTP/1.0 "

func (c *icyConn) Read(b []byte) (int, error) {
	c.once.Do(c.begin)
	if len(c.head) > 0 {
		n := copy(b, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if c.err != nil {
		return 0, c.err
	}
	return c.Conn.Read(b)
}

// begin reads no further than the first byte that differs.
func (c *icyConn) begin() {
	var buf [len(icyStatus)]byte
	for n := 0; n < len(buf); {
		m, err := c.Conn.Read(buf[n:])
		n += m
		if n > 0 && string(buf[:n]) != icyStatus[:n] || err != nil {
			c.head, c.err = append(c.head, buf[:n]...), err
			return
		}
	}
	c.head = []byte(httpStatus)
}
