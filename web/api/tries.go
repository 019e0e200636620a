package api

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxTries is how many wrong keys an address may send to sign in within
	// tryTime. Keys are random, so that this is for those that are not.
	maxTries = 10
	tryTime  = time.Minute
	// maxTriers bounds what is remembered, 1 MB. More addresses than that are
	// no guest's mistakes, and what they send is as hopeless as ever.
	maxTriers = 10_000
)

// tries counts the wrong keys of each address, in windows of tryTime.
type tries struct {
	mu    sync.Mutex
	begin time.Time // of the present window
	wrong map[netip.Prefix]int
}

// note counts a try of an address and returns how long it is to wait before its
// next one, 0 for a try that counts as one.
func (t *tries) note(remote string, wrong bool) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, from := time.Now(), network(remote)
	if now.Sub(t.begin) >= tryTime {
		t.begin, t.wrong = now, map[netip.Prefix]int{}
	}
	if t.wrong[from] >= maxTries {
		return t.begin.Add(tryTime).Sub(now)
	}
	if _, known := t.wrong[from]; wrong && (known || len(t.wrong) < maxTriers) {
		t.wrong[from]++
	}
	return 0
}

// network is whose address remote is: of IPv6 the /64, of which a single host has
// every address.
func network(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := at.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // there are so many
	return prefix
}
