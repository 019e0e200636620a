package tasks

import (
	"context"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// registry knows the attempts that are in this worker, and whether one more is
// taken.
type registry struct {
	mu          sync.Mutex
	attempts    map[string]*attempt // by push id
	preparing   map[string]*attempt // by push id; not claimed yet
	slots       int                 // taken, those about to claim included
	idle        *sync.Cond          // no slot is taken
	past        media.Totals        // of attempts that have ended
	draining    bool
	renewFailed time.Time // last renew that failed
	memoryState memoryState
}

func newRegistry() *registry {
	r := &registry{attempts: map[string]*attempt{}, preparing: map[string]*attempt{}}
	r.idle = sync.NewCond(&r.mu)
	return r
}

// awaitIdle returns when no slot is taken, or ctx has ended.
func (r *registry) awaitIdle(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.idle.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.slots > 0 && ctx.Err() == nil {
		r.idle.Wait()
	}
}

func (r *registry) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slots--
	if r.slots == 0 {
		r.idle.Broadcast()
	}
}

func (r *registry) forget(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempts[a.lease.ID] == a {
		delete(r.attempts, a.lease.ID)
	}
	r.past.Add(a.meter.Totals())
	if r.preparing[a.lease.ID] == a {
		delete(r.preparing, a.lease.ID)
	}
	close(a.done)
}

// Running returns how many pushes this worker has now.
func (r *registry) Running() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.attempts)
}

// SlotsTaken returns how many of the worker's slots are taken, those of attempts
// that prepare or are about to be claimed included.
func (r *registry) SlotsTaken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.slots
}

// Totals returns what the attempts of this worker have done since it began.
func (r *registry) Totals() media.Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.past
	for _, a := range r.attempts {
		t.Add(a.meter.Totals())
	}
	return t
}

func (r *registry) snapshot() []*attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	attempts := make([]*attempt, 0, len(r.attempts))
	for _, a := range r.attempts {
		attempts = append(attempts, a)
	}
	return attempts
}

func (r *registry) noteRenewFailed(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renewFailed = at
}

// others counts the pushes here that one with IsolationStrikes may not run beside, or
// returns ErrIsolated because such a push runs here and has not settled.
//
// Pushes that had strikes and have settled do not count: a crash cannot strike them
// any more. A source that is being prepared counts: it can bring the worker down
// before it is claimed.
func (r *registry) others(id string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, now := 0, time.Now()
	for _, a := range r.attempts {
		struck, settled := a.push.Strikes >= IsolationStrikes, a.settled(now)
		switch {
		case a.lease.ID == id || struck && settled:
		case struck && now.Sub(a.begun) < isolationLimit:
			return 0, ErrIsolated
		default:
			n++
		}
	}
	for other := range r.preparing {
		if other != id {
			n++
		}
	}
	return n, nil
}

// has says whether an attempt of a push has not ended here.
func (r *registry) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts[id] != nil
}

// prepares says whether an attempt, or a later one of its push, is prepared here.
func (r *registry) prepares(l Lease) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.preparing[l.ID]
	return a != nil && a.lease.Epoch >= l.Epoch
}

func (r *registry) youngest(now time.Time) *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	var last *attempt
	for _, all := range []map[string]*attempt{r.attempts, r.preparing} {
		for _, a := range all {
			if a.cause() == nil && a.young(now) && (last == nil || a.begun.After(last.begun)) {
				last = a
			}
		}
	}
	return last
}

// prepare enters an attempt that may prepare and is not ours yet.
func (r *registry) prepare(a *attempt) error {
	a.successor = &successor{claimed: make(chan struct{}), refused: errNotHandedOver}
	a.age.set(time.Time{}) // no lease
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.draining:
		return ErrDraining
	case r.preparing[a.lease.ID] != nil:
		return errNotHandedOver
	}
	r.preparing[a.lease.ID] = a
	return nil
}
