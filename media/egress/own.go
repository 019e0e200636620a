package egress

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ownAge is how long the machine's own addresses are taken to stay.
const ownAge = 5 * time.Second

// ownAddresses are the machine's, of which some may be public: what listens
// there may be meant for the machine alone.
type ownAddresses struct {
	interfaces func() ([]net.Addr, error)

	mu    sync.Mutex
	read  time.Time
	addrs map[netip.Addr]bool
}

// refresh reads them. What was known stays when that fails.
func (o *ownAddresses) refresh() error {
	list, err := o.interfaces()
	if err != nil {
		return fmt.Errorf("read this machine's own addresses: %w", err)
	}
	addrs := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				addrs[addr.Unmap()] = true
			}
		}
	}
	o.read, o.addrs = time.Now(), addrs
	return nil
}

func (o *ownAddresses) has(a netip.Addr) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.read) > ownAge {
		_ = o.refresh() // New has done it once
	}
	return o.addrs[a]
}
