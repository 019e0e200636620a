package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	defaultDialTimeout = 10 * time.Second
	maxLookups         = 256 // look-ups under way at once, hung ones included
)

// carried is every scheme the gate has a way for, with its default port; srt
// has none.
var carried = map[string]uint16{"http": 80, "https": 443, "rtmp": 1935, "rtmps": 443, "rtsp": 554, "srt": 0}

var errClosed = errors.New("the gate is closed")

// Resolver looks names up. Its answers are checked, whatever they are; it may
// hang longer than ctx.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says where the gate leads. The zero value leads to public addresses
// only.
type Config struct {
	// Schemes a source may have; empty means http, https, rtmp and rtmps.
	// There is a way for rtsp and srt as well.
	Schemes []string
	// Allow is ROOMCAST_SOURCE_ALLOW: what is open beyond public addresses on
	// the usual ports. An entry is a network (10.0.0.0/8, fd00::/8) or an
	// address, open on any port, or host:port, open on that port alone.
	Allow []string
	// Deny is ROOMCAST_SOURCE_DENY: what is closed whatever Allow says. An entry
	// is a network, an address, or a name, with those below it.
	Deny []string
	// Resolver is net.DefaultResolver when nil.
	Resolver Resolver
	// DialTimeout bounds look-up, connection and TLS handshake together;
	// 0 means 10 s.
	DialTimeout time.Duration
	// TLSRoots verify https and rtmps sources; nil means the system's.
	TLSRoots *x509.CertPool
	// Log gets hosts and ports, never more of an address; nil means none.
	Log *slog.Logger
}

// Gate opens ways to sources. It is safe for concurrent use.
type Gate struct {
	cfg     Config
	schemes []string
	rules   *rules
	lookups chan struct{} // one token per look-up under way
	proxy   *proxy

	received atomic.Int64 // bytes from sources

	mu     sync.Mutex
	closed bool
	serial uint64
	ways   map[string]*way // by proxy user
}

// New checks c and starts the forward proxy on a free loopback port.
func New(c Config) (*Gate, error) {
	rules, err := parseRules(c.Allow, c.Deny)
	if err != nil {
		return nil, err
	}
	rules.own.interfaces = net.InterfaceAddrs
	if err := rules.own.refresh(); err != nil {
		return nil, err
	}
	schemes, err := checkSchemes(c.Schemes)
	if err != nil {
		return nil, err
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = defaultDialTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	g := &Gate{
		cfg: c, schemes: schemes, rules: rules,
		lookups: make(chan struct{}, maxLookups),
		ways:    make(map[string]*way),
	}
	if g.proxy, err = startProxy(g); err != nil {
		return nil, fmt.Errorf("start the forward proxy: %w", err)
	}
	return g, nil
}

func checkSchemes(list []string) ([]string, error) {
	if len(list) == 0 {
		return []string{"http", "https", "rtmp", "rtmps"}, nil
	}
	for _, s := range list {
		if _, ok := carried[s]; !ok {
			return nil, fmt.Errorf("source scheme %q: there is a way out for http, https, rtmp, rtmps, rtsp and srt only", s)
		}
	}
	return slices.Clone(list), nil
}

// CheckURL says whether raw may be a source, as far as that can be known
// without a look-up. It returns nil or a *media.Error of KindSourceInvalid or
// KindSourceBlocked whose text holds no more of raw than scheme, host and port.
func (g *Gate) CheckURL(raw media.Secret) error {
	_, err := g.parse(raw)
	return err
}

func (g *Gate) parse(raw media.Secret) (address, error) {
	a, err := parseAddress(raw.Reveal())
	if err != nil {
		return a, err
	}
	if !g.carries(a.scheme) {
		return a, blocked(a.target, fmt.Errorf("%w: ROOMCAST_SOURCE_SCHEMES has %s", errScheme, strings.Join(g.schemes, ", ")))
	}
	return a, g.rules.static(a.target)
}

func (g *Gate) carries(scheme string) bool { return slices.Contains(g.schemes, scheme) }

var _ media.Gate = (*Gate)(nil)

// Open makes the way for one attempt at r.URL, to whose origin alone it sends
// r.Headers. The way ends with ctx, or with its Close, which the caller owes.
// The errors are CheckURL's and CheckHeaders'; nothing is resolved or dialled
// before libav asks for it.
func (g *Gate) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	w, err := g.open(ctx, r)
	if err != nil {
		return media.Way{}, err
	}
	return media.Way{URL: w.URL, Options: w.Options, Refusal: w.Refusal, Found: w.found.words, Close: w.Close}, nil
}

func (g *Gate) open(ctx context.Context, r media.SourceRequest) (*way, error) {
	a, err := g.parse(r.URL)
	if err != nil {
		return nil, err
	}
	if err := CheckHeaders(r.Headers); err != nil {
		return nil, err
	}
	ctx, w := newWay(ctx, g, a.target)
	w.headers, w.all, w.playlists = r.Headers, r.HeadersForAll, namesPlaylist(a.path)
	if err := g.register(w); err != nil {
		w.cancel()
		return nil, err
	}
	if err := w.lead(ctx, a); err != nil {
		w.Close()
		return nil, &media.Error{Kind: media.KindInternal, Op: opDial, Err: err}
	}
	return w, nil
}

// lead sets w's URL and Options, and starts the relay they lead to.
func (w *way) lead(ctx context.Context, a address) error {
	switch a.scheme {
	case "http", "https":
		w.URL = media.Secret(a.marked())
		w.Options = map[string]media.Secret{"http_proxy": w.gate.proxy.url(w)}
		return nil
	case "rtsp":
		return w.openRTSP(ctx, a)
	case "srt":
		return w.openSRT(ctx, a)
	}
	return w.openRTMP(ctx, a)
}

func (g *Gate) register(w *way) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return &media.Error{Kind: media.KindInternal, Op: opDial, Err: errClosed}
	}
	g.serial++
	w.user = "w" + strconv.FormatUint(g.serial, 10)
	g.ways[w.user] = w
	w.idle = w.after(w.shut)
	return nil
}

func (g *Gate) forget(w *way) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.ways, w.user)
}

func (g *Gate) way(user string) *way {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ways[user]
}

// Close ends every way and the proxy. It returns when their goroutines have
// ended, but for look-ups that hang in the resolver.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	open := make([]*way, 0, len(g.ways))
	for _, w := range g.ways {
		open = append(open, w)
	}
	g.mu.Unlock()
	for _, w := range open {
		w.Close()
	}
	g.proxy.close()
}
