package egress

import (
	"context"
	"net"
	"strconv"
	"strings"
)

// DialContext connects to address, host:port, if a source over http may be there,
// for callers that are no source. It is what http.Transport.DialContext wants;
// network does not count. Errors are *media.Error.
func (g *Gate) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	t := target{scheme: "http"}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, invalid(t, errSyntax)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return nil, invalid(t, errPortNumber)
	}
	t.port = uint16(n)
	if err := t.setHost(host, strings.Contains(host, ":")); err != nil { // SplitHostPort takes the brackets off
		return nil, badHost(err)
	}
	return g.dial(ctx, t)
}
