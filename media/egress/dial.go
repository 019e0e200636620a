package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	maxAddresses   = 8               // of one name, tried in the resolver's order
	minAddressTime = 2 * time.Second // for one address, when there are several
)

var (
	errNoSuchHost  = errors.New("the name does not exist")
	errHostName    = errors.New("the name has no address that may be connected to")
	errNameServer  = errors.New("the name could not be resolved")
	errTimeout     = errors.New("its server did not answer in time")
	errFailed      = errors.New("the connection failed")
	errCertificate = errors.New("the certificate could not be verified")
	errTLS         = errors.New("the TLS handshake failed")
)

func unavailable(t target, cause error) error {
	return &media.Error{Kind: media.KindSourceUnavailable, Op: opDial, Err: described(t, cause)}
}

// dial resolves t, checks what it resolves to and connects to the first
// checked address that answers. Every error is a *media.Error; a forbidden
// address is never connected to.
func (g *Gate) dial(ctx context.Context, t target) (net.Conn, error) {
	if err := g.rules.static(t); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.DialTimeout)
	defer cancel()
	addrs := []netip.Addr{t.addr}
	if !t.addr.IsValid() {
		var err error
		addrs, err = g.resolve(ctx, t.host)
		if err = plainCause(err); err != nil && !errors.Is(err, errNoSuchHost) {
			return nil, unavailable(t, err)
		}
	}
	allowed, err := g.allowed(t, addrs)
	if err != nil {
		return nil, err
	}
	conn, err := connect(ctx, t, allowed)
	if err != nil || t.network() != "tcp" { // who reads datagrams counts them
		return conn, err
	}
	return counted{conn, &g.received}, nil
}

// counted is a connection whose bytes from the source are counted.
type counted struct {
	net.Conn
	received *atomic.Int64
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.received.Add(int64(n))
	return n, err
}

// Received returns how many bytes have come from sources, of TLS and of HTTP's
// headers too. It only grows.
func (g *Gate) Received() int64 { return g.received.Load() }

// resolve is a look-up that ends with ctx even when the resolver does not: its
// goroutine is then left behind, at most maxLookups of them.
func (g *Gate) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	select {
	case g.lookups <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type answer struct {
		addrs []netip.Addr
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-g.lookups }()
		a := answer{err: errPanic}
		guarded(g.cfg.Log, host, func() { a.addrs, a.err = g.cfg.Resolver.LookupNetIP(ctx, "ip", host) })
		done <- a
	}()
	select {
	case a := <-done:
		return a.addrs, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// allowed keeps the addresses that may be dialled for t; the error says why
// none is left. Of a name it is the same whether it has none or only such as
// are not public: nobody may find out by it what names there are inside.
func (g *Gate) allowed(t target, addrs []netip.Addr) ([]netip.Addr, error) {
	kept := make([]netip.Addr, 0, len(addrs))
	var refusal error
	for _, a := range addrs {
		a = a.Unmap() // Go's resolver writes IPv4 answers as mapped ones
		if err := g.rules.dial(t, a); err != nil {
			if refusal == nil || errors.Is(err, errPort) {
				refusal = err
			}
			continue
		}
		kept = append(kept, a)
	}
	switch {
	case len(kept) > 0:
	case t.addr.IsValid() || errors.Is(refusal, errPort):
		return nil, blocked(t, refusal)
	default:
		g.cfg.Log.Info("a name leads nowhere that a source may be", "host", t.host, "port", t.port, "addresses", len(addrs))
		return nil, &media.Error{Kind: media.KindSourceHost, Op: opDial, Err: described(t, errHostName)}
	}
	return kept[:min(len(kept), maxAddresses)], nil
}

// network is what net.Dial calls the way t is reached.
func (t target) network() string {
	if t.scheme == "srt" {
		return "udp"
	}
	return "tcp"
}

// connect tries addrs in order and shares the time that ctx leaves among them.
func connect(ctx context.Context, t target, addrs []netip.Addr) (net.Conn, error) {
	var last error
	for i, a := range addrs {
		share := time.Duration(0) // no limit but ctx's
		if deadline, ok := ctx.Deadline(); ok && i+1 < len(addrs) {
			share = max(time.Until(deadline)/time.Duration(len(addrs)-i), minAddressTime)
		}
		d := net.Dialer{Timeout: share, Control: boundBuffer}
		conn, err := d.DialContext(ctx, t.network(), netip.AddrPortFrom(a, t.port).String())
		if err == nil {
			return conn, nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, unavailable(t, plainCause(last))
}

// receiveBuffer is what the system may hold of a connection that nobody has read
// yet: it doubles what it is told.
const receiveBuffer = 128 << 10

// boundBuffer bounds what the system reads ahead. It is to be called before
// connecting, when the window is agreed on.
func boundBuffer(_, _ string, c syscall.RawConn) error {
	var err error
	if fault := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, receiveBuffer)
	}); fault != nil {
		return fault
	}
	return err
}

// rawCloser is a TLS connection whose Close does not wait to say goodbye.
type rawCloser struct {
	*tls.Conn
	raw net.Conn
}

func (c rawCloser) Close() error { return c.raw.Close() }

// dialTLS is dial followed by a TLS handshake that verifies t's name.
func (g *Gate) dialTLS(ctx context.Context, t target) (net.Conn, error) {
	conn, err := g.handshake(ctx, t)
	if err != nil {
		return nil, err
	}
	return rawCloser{Conn: conn, raw: conn.NetConn()}, nil
}

// handshake dials t and makes a TLS connection of it that may speak protocols.
func (g *Gate) handshake(ctx context.Context, t target, protocols ...string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.DialTimeout)
	defer cancel()
	raw, err := g.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		ServerName: t.host,
		RootCAs:    g.cfg.TLSRoots,
		MinVersion: tls.VersionTLS12,
		NextProtos: protocols,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if refused, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return nil, &media.Error{Kind: media.KindSourceTLS, Op: opDial, Err: described(t, certificateCause(refused.Err))}
		}
		return nil, unavailable(t, tlsCause(err))
	}
	return conn, nil
}

// plainCause reduces a network error to what may be shown: the original's text
// can name addresses behind the gate and our name servers.
func plainCause(err error) error {
	if err == nil || errors.Is(err, errPanic) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		switch {
		case dns.IsNotFound:
			return errNoSuchHost
		case dns.IsTimeout:
			return errTimeout
		default:
			return errNameServer
		}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errTimeout
	}
	if words := media.OfNetwork(err); words != "" {
		return media.Because(words, errnoOf(err))
	}
	return errFailed
}

// errnoOf is the system's part of err, nil where there is none.
func errnoOf(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return nil
}

// certificateCause is what is wrong with a certificate, in words of ours: the
// original's hold names that are in it.
func certificateCause(err error) error {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("%w: it is for another name", errCertificate)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w: nobody known here has signed it", errCertificate)
	}
	if bad, ok := errors.AsType[x509.CertificateInvalidError](err); ok && bad.Reason == x509.Expired {
		return fmt.Errorf("%w: it has expired, or is not valid yet", errCertificate)
	}
	return errCertificate
}

func tlsCause(err error) error {
	if cause := plainCause(err); !errors.Is(cause, errFailed) {
		return cause
	}
	return errTLS
}
