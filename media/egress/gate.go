package egress

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
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
var carried = map[string]uint16{"http": 80, "https": 443, "rtmp": 1935, "rtmps": 443, "rtsp": 554, "rtsps": 322, "srt": 0}

// Resolver looks names up. Its answers are checked, whatever they are; it may
// hang longer than ctx.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config says where the gate leads. The zero value leads to public addresses
// only.
type Config struct {
	// Schemes a source may have; empty means http, https, rtmp and rtmps.
	// There is a way for rtsp, rtsps and srt as well.
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

// Gate connects to sources. It is safe for concurrent use.
type Gate struct {
	cfg     Config
	schemes []string
	rules   *rules
	lookups chan struct{} // one token per look-up under way

	received atomic.Int64 // bytes from sources
}

// New checks c.
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
	return &Gate{cfg: c, schemes: schemes, rules: rules, lookups: make(chan struct{}, maxLookups)}, nil
}

func checkSchemes(list []string) ([]string, error) {
	if len(list) == 0 {
		return []string{"http", "https", "rtmp", "rtmps"}, nil
	}
	for _, s := range list {
		if _, ok := carried[s]; !ok {
			return nil, fmt.Errorf("source scheme %q: there is a way out for http, https, rtmp, rtmps, rtsp, rtsps and srt only", s)
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
