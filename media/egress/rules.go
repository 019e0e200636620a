package egress

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"code.dny.dev/ssrf"
)

// The ports that a source may have without being listed.
var (
	openPorts     = []uint16{80, 443, 1935, 8080, 8443}
	openRTSPPorts = []uint16{554, 8554, 322, 8322} // the last two are of rtsps
)

// usualPort says whether t's port is one its scheme may have without being
// listed. There is no usual one for srt: it has all that are nobody's by birth.
func (t target) usualPort() bool {
	switch t.scheme {
	case "rtsp", "rtsps":
		return slices.Contains(openRTSPPorts, t.port)
	case "srt":
		return t.port >= 1024
	}
	return slices.Contains(openPorts, t.port)
}

type namePort struct {
	name string
	port uint16
}

// wireServer is Azure's, which every machine there reaches at this address and
// whose answers are for the machine alone. It is no private one by its looks.
var wireServer = netip.AddrFrom4([4]byte{168, 63, 129, 16})

// rules says which addresses may be dialled: public unicast ones on the open
// ports that are not the machine's own, and what the operator listed, but
// nothing that he denied.
type rules struct {
	denied      []netip.Prefix
	deniedNames map[string]bool // and those below them
	own         ownAddresses

	public    *ssrf.Guardian
	networks  []netip.Prefix // open on any port
	addrPorts map[netip.AddrPort]bool
	namePorts map[namePort]bool // open whatever the name resolves to
}

func parseRules(allow, deny []string) (*rules, error) {
	r := &rules{
		deniedNames: make(map[string]bool),
		public:      ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork()),
		addrPorts:   make(map[netip.AddrPort]bool),
		namePorts:   make(map[namePort]bool),
	}
	return r, cmp.Or(each(allow, "allowed", r.add), each(deny, "denied", r.deny))
}

func each(entries []string, what string, take func(entry string) error) error {
	for _, entry := range entries {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if err := take(entry); err != nil {
			return fmt.Errorf("%s source %q: %w", what, entry, err)
		}
	}
	return nil
}

// deny takes a network, an address or a name.
func (r *rules) deny(entry string) error {
	p, err := parseNetwork(entry)
	if err == nil {
		r.denied = append(r.denied, p)
		return nil
	}
	if strings.Contains(entry, "/") {
		return err
	}
	var t target
	if err := t.setHost(entry, false); err != nil {
		return err
	}
	r.deniedNames[t.host] = true
	return nil
}

// deniedName says whether a name, or one that it is below, is denied.
func (r *rules) deniedName(name string) bool {
	for {
		if r.deniedNames[name] {
			return true
		}
		_, above, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		name = above
	}
}

func (r *rules) add(entry string) error {
	p, err := parseNetwork(entry)
	switch {
	case err == nil:
		r.networks = append(r.networks, p)
		return nil
	case errors.Is(err, errNoNetwork) && !strings.Contains(entry, "/"):
		return r.addHostPort(entry)
	}
	return err
}

var errNoNetwork = errors.New("not a network; write it as 10.0.0.0/8 or fd00::/8, without scheme, path or port")

// parseNetwork reads 10.0.0.0/8, fd00::/8, an address, or one in brackets.
func parseNetwork(entry string) (netip.Prefix, error) {
	bare := entry
	if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), plainAddr(addr)
	}
	p, err := netip.ParsePrefix(entry)
	if err != nil {
		return p, errNoNetwork
	}
	if err := plainAddr(p.Addr()); err != nil {
		return p, err
	}
	if p != p.Masked() {
		return p, fmt.Errorf("bits are set beyond the network's length; is it %s?", p.Masked())
	}
	return p, nil
}

func (r *rules) addHostPort(entry string) error {
	i := strings.LastIndexByte(entry, ':')
	if i < 0 {
		return errors.New("a name needs a port: host:port")
	}
	port, err := strconv.ParseUint(entry[i+1:], 10, 16)
	if err != nil || port == 0 {
		return errPortNumber
	}
	var t target
	host, bracketed := strings.CutPrefix(entry[:i], "[")
	if bracketed {
		if host, bracketed = strings.CutSuffix(host, "]"); !bracketed {
			return errHost
		}
	}
	if err := t.setHost(host, bracketed); err != nil {
		return err
	}
	if t.addr.IsValid() {
		r.addrPorts[netip.AddrPortFrom(t.addr, uint16(port))] = true
	} else {
		r.namePorts[namePort{t.host, uint16(port)}] = true
	}
	return nil
}

func plainAddr(a netip.Addr) error {
	if a.Zone() != "" || a.Is4In6() {
		return errOddAddress
	}
	return nil
}

// dial says whether a may be dialled for t. a is what t.host is or resolved to.
func (r *rules) dial(t target, a netip.Addr) error {
	if a.Zone() != "" || !a.IsValid() {
		return errOddAddress
	}
	if r.deniedName(t.host) || contain(r.denied, a) {
		return errDenied
	}
	if r.namePorts[namePort{t.host, t.port}] || r.listed(a, t.port) {
		return nil
	}
	// A mapped address is outside 2000::/3, so SafeAddr refuses it too.
	if r.public.SafeAddr(a) != nil || a == wireServer || r.own.has(a) {
		return errAddressRule
	}
	if !t.usualPort() {
		return portRule(t)
	}
	return nil
}

// portRule is errPort, with what is open.
func portRule(t target) error {
	open := fmt.Sprint(openPorts)
	switch t.scheme {
	case "rtsp", "rtsps":
		open = fmt.Sprint(openRTSPPorts)
	case "srt":
		open = "1024 and above"
	}
	return fmt.Errorf("%w; open for %s: %s, and what ROOMCAST_SOURCE_ALLOW lists", errPort, t.scheme, strings.Trim(open, "[]"))
}

func (r *rules) listed(a netip.Addr, port uint16) bool {
	return r.addrPorts[netip.AddrPortFrom(a, port)] || contain(r.networks, a)
}

func contain(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// static is dial as far as it can be told before a look-up.
func (r *rules) static(t target) error {
	if t.addr.IsValid() {
		if err := r.dial(t, t.addr); err != nil {
			return blocked(t, err)
		}
		return nil
	}
	if r.deniedName(t.host) {
		return blocked(t, errDenied)
	}
	if r.namePorts[namePort{t.host, t.port}] {
		return nil
	}
	// RFC 6761, section 6.3: these names are loopback everywhere.
	if t.host == "localhost" || strings.HasSuffix(t.host, ".localhost") {
		v4, v6 := netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()
		if !r.listed(v4, t.port) && !r.listed(v6, t.port) {
			return blocked(t, errAddressRule)
		}
	}
	if t.usualPort() || len(r.networks) > 0 {
		return nil
	}
	for ap := range r.addrPorts {
		if ap.Port() == t.port {
			return nil
		}
	}
	return blocked(t, portRule(t))
}
