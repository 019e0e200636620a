package tasks

import (
	"slices"
	"sync"
)

// unreportedEnds keeps the leases of attempts that have ended without having been
// able to tell the store: a sweeper may have given them a strike, as if their
// worker had vanished. The next renew says that it has not.
type unreportedEnds struct {
	mu     sync.Mutex
	leases []Lease
}

func (u *unreportedEnds) add(l Lease) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.leases, l) {
		u.leases = append(u.leases, l)
	}
}

func (u *unreportedEnds) list() []Lease {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.leases)
}

// drop forgets those that the store has heard of.
func (u *unreportedEnds) drop(told []Lease) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.leases = slices.DeleteFunc(u.leases, func(l Lease) bool { return slices.Contains(told, l) })
}
