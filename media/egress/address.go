package egress

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/roomcast/roomcast/media"
)

const (
	maxURL  = 4000 // half of what servers take for a line of a request at least (RFC 9112, section 3)
	maxHost = 253  // RFC 1035, section 2.3.4
)

const (
	opCheck = "check source"
	opDial  = "connect to source"
)

var (
	errSyntax      = errors.New("the address is not of the form scheme://host[:port]/path")
	errChars       = errors.New("the address holds a space or a control character")
	errLong        = errors.New("the address is too long")
	errHost        = errors.New("the host is not a name in ASCII letters (use the punycode form) or an IP address")
	errPortNumber  = errors.New("the port is not a number from 1 to 65535")
	errScheme      = errors.New("sources of this scheme are not enabled")
	errNotCarried  = errors.New("a source is http, https, rtmp, rtmps, rtsp, rtsps or srt")
	errOddNumber   = errors.New("an IPv4 address must be written as four decimal numbers")
	errOddAddress  = errors.New("IPv6 zones and IPv4 addresses inside IPv6 ones are not allowed")
	errPort        = errors.New("the port is not open")
	errAddressRule = errors.New("only public addresses are open; ROOMCAST_SOURCE_ALLOW opens others")
	errDenied      = errors.New("the operator has closed it (ROOMCAST_SOURCE_DENY)")
)

// target is a place to connect to: all of an address that may be shown.
type target struct {
	scheme string
	host   string     // lower case, without brackets or final dot
	addr   netip.Addr // valid when host is a literal
	port   uint16
}

func (t target) hostPort() string {
	return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

func (t target) String() string { return t.scheme + "://" + t.hostPort() }

// address is a source's URL taken apart, its parts as they were written.
type address struct {
	target
	raw      string // the whole, its scheme in lower case
	userInfo string // with its @, or empty
	path     string // from the first of / ? # on
}

func invalid(t target, cause error) error {
	return &media.Error{Kind: media.KindSourceInvalid, Op: opCheck, Err: described(t, cause)}
}

// badHost says nothing of the host: it may be a part of a password.
func badHost(cause error) error {
	if errors.Is(cause, errOddAddress) || errors.Is(cause, errOddNumber) {
		return blocked(target{}, cause)
	}
	return invalid(target{}, cause)
}

func blocked(t target, cause error) error {
	return &media.Error{Kind: media.KindSourceBlocked, Op: opCheck, Err: described(t, cause)}
}

// described tells people of cause, all of which are in words of ours, and where
// it happened: scheme, host and port.
func described(t target, cause error) error {
	if t.host == "" {
		return media.Because(cause.Error(), cause)
	}
	return media.Because(t.String()+": "+cause.Error(), cause)
}

// parseAddress takes a source's URL apart. Nothing that it accepts can mean another
// host to whoever parses it again.
func parseAddress(raw string) (address, error) {
	var a address
	if len(raw) > maxURL {
		return a, invalid(a.target, errLong)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || (r >= 0x7f && r <= 0xa0) }) {
		return a, invalid(a.target, errChars)
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok || scheme == "" || strings.ContainsAny(scheme, ":/?#") {
		return a, invalid(a.target, errSyntax)
	}
	a.scheme = strings.ToLower(scheme)
	if _, ok := carried[a.scheme]; !ok {
		return a, blocked(a.target, errNotCarried)
	}
	a.raw = a.scheme + "://" + rest
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, a.path = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		a.userInfo, authority = authority[:i+1], authority[i+1:]
	}
	if strings.ContainsFunc(unescaped(a.userInfo), unicode.IsControl) { // it would end a line of a header
		return a, invalid(a.target, errChars)
	}
	var err error
	if a.target, err = parseAuthority(a.scheme, authority); err != nil {
		return a, err
	}
	return a, a.checkRest()
}

// checkRest refuses what would be cut or misread further on.
func (a address) checkRest() error {
	switch a.scheme {
	case "http", "https":
		if _, err := url.Parse(a.raw); err != nil {
			return invalid(a.target, errSyntax)
		}
	case "srt":
		if _, err := a.srtOptions(); err != nil {
			return invalid(a.target, err)
		}
	}
	return nil
}

// parseAuthority reads host[:port], [v6] or [v6]:port.
func parseAuthority(scheme, s string) (target, error) {
	t := target{scheme: scheme, port: carried[scheme]}
	host, port, bracketed := s, "", false
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 || (i+1 < len(s) && s[i+1] != ':') {
			return t, badHost(errHost)
		}
		host, port, bracketed = s[1:i], strings.TrimPrefix(s[i+1:], ":"), true
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '+' {
			return t, badHost(errPortNumber)
		}
		t.port = uint16(n)
	}
	if err := t.setHost(host, bracketed); err != nil {
		return target{scheme: scheme}, badHost(err)
	}
	return t, nil
}

// setHost takes a host that is a name or a plain address, nothing in between;
// the error is one of the causes above.
func (t *target) setHost(host string, bracketed bool) error {
	host = strings.ToLower(host)
	if bracketed {
		addr, err := netip.ParseAddr(host)
		if err != nil || !addr.Is6() {
			return errHost
		}
		t.host, t.addr = addr.String(), addr
		return plainAddr(addr)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		t.host, t.addr = host, addr
		return nil
	}
	host = strings.TrimSuffix(host, ".")
	switch {
	case !isName(host):
		return errHost
	case endsInNumber(host):
		return errOddNumber
	}
	t.host = host
	return nil
}

func isName(s string) bool {
	if s == "" || len(s) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// endsInNumber is the WHATWG URL standard's "ends in a number checker": such a
// host is an IPv4 address to inet_aton, in one of its octal, hexadecimal or
// short forms, and never a name.
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	digits, hex := strings.CutPrefix(last, "0x")
	if hex && digits == "" {
		return true
	}
	for _, c := range []byte(digits) {
		isDigit := c >= '0' && c <= '9'
		if !isDigit && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}
