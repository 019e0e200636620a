package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"code.dny.dev/ssrf"
)

// openPorts are those a source may have without being listed.
var openPorts = []uint16{80, 443, 1935, 8080, 8443}

// usualPort says whether t's port is one its scheme may have without being
// listed. There is no usual one for srt: it has all that are nobody's by birth.
func (t target) usualPort() bool {
	switch t.scheme {
	case "rtsp":
		return t.port == 554 || t.port == 8554
	case "srt":
		return t.port >= 1024
	}
	return slices.Contains(openPorts, t.port)
}

type namePort struct {
	name string
	port uint16
}

// rules says which addresses may be dialled: public unicast ones on the open
// ports, and what the operator listed.
type rules struct {
	public    *ssrf.Guardian
	networks  []netip.Prefix // open on any port
	addrPorts map[netip.AddrPort]bool
	namePorts map[namePort]bool // open whatever the name resolves to
}

func parseRules(allow []string) (*rules, error) {
	r := &rules{
		public:    ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork()),
		addrPorts: make(map[netip.AddrPort]bool),
		namePorts: make(map[namePort]bool),
	}
	for _, entry := range allow {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		if err := r.add(entry); err != nil {
			return nil, fmt.Errorf("allowed source %q: %w", entry, err)
		}
	}
	return r, nil
}

func (r *rules) add(entry string) error {
	if strings.Contains(entry, "/") {
		return r.addNetwork(entry)
	}
	bare := entry
	if inner, ok := strings.CutPrefix(entry, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if addr, err := netip.ParseAddr(bare); err == nil {
		if err := plainAddr(addr); err != nil {
			return err
		}
		r.networks = append(r.networks, netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	return r.addHostPort(entry)
}

func (r *rules) addNetwork(entry string) error {
	p, err := netip.ParsePrefix(entry)
	if err != nil {
		return errors.New("not a network; write it as 10.0.0.0/8 or fd00::/8, without scheme, path or port")
	}
	if err := plainAddr(p.Addr()); err != nil {
		return err
	}
	if p != p.Masked() {
		return fmt.Errorf("bits are set beyond the network's length; is it %s?", p.Masked())
	}
	r.networks = append(r.networks, p)
	return nil
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
	if r.namePorts[namePort{t.host, t.port}] || r.listed(a, t.port) {
		return nil
	}
	// A mapped address is outside 2000::/3, so SafeAddr refuses it too.
	if r.public.SafeAddr(a) != nil {
		return errAddressRule
	}
	if !t.usualPort() {
		return errPort
	}
	return nil
}

func (r *rules) listed(a netip.Addr, port uint16) bool {
	return r.addrPorts[netip.AddrPortFrom(a, port)] ||
		slices.ContainsFunc(r.networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// static is dial as far as it can be told before a look-up.
func (r *rules) static(t target) error {
	if t.addr.IsValid() {
		if err := r.dial(t, t.addr); err != nil {
			return blocked(t, err)
		}
		return nil
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
	return blocked(t, errPort)
}
