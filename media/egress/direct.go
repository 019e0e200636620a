package egress

import (
	"context"
	"net"

	"github.com/roomcast/roomcast/media"
)

// DialContext connects to address, host:port, if a source over http may be there,
// for callers that are no source. It is what http.Transport.DialContext wants;
// network does not count. Errors are *media.Error.
func (g *Gate) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		return nil, invalid(target{}, errPortNumber)
	}
	t, err := parseAuthority("http", address)
	if err != nil {
		return nil, err
	}
	return g.dial(ctx, t)
}

// Dial connects to r's source, over TLS where its scheme says so. ctx bounds the
// call alone. Errors are *media.Error.
func (g *Gate) Dial(ctx context.Context, r media.SourceRequest) (net.Conn, error) {
	a, err := g.parse(r.URL)
	if err != nil {
		return nil, err
	}
	if err := CheckHeaders(r.Headers); err != nil {
		return nil, err
	}
	dial := g.dial
	if a.scheme == "rtmps" || a.scheme == "rtsps" {
		dial = g.dialTLS
	}
	conn, err := dial(ctx, a.target)
	log := g.cfg.Log.With("scheme", a.scheme, "host", a.host, "port", a.port)
	switch {
	case err == nil:
		log.Debug("source connected")
	case media.KindOf(err) == media.KindSourceBlocked:
		log.Warn("source refused", "error", err)
	default:
		log.Debug("source not reached", "error", err)
	}
	return conn, err
}
