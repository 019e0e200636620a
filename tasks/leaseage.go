package tasks

import (
	"context"
	"errors"
	"sync"
	"time"
)

// leaseAge is how old the lease of an attempt is, by this worker's clock. It counts
// from the sending of the last successful renew, so that it ends before Redis's.
type leaseAge struct {
	mu    sync.Mutex
	sent  time.Time     // zero: there was no lease yet
	again chan struct{} // closed and replaced at every successful renew
}

func newLeaseAge(sent time.Time) leaseAge {
	return leaseAge{sent: sent, again: make(chan struct{})}
}

// set says when the lease was asked for.
func (l *leaseAge) set(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = sent
}

// renewed notes that a renew which was sent then has succeeded.
func (l *leaseAge) renewed(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sent.After(l.sent) {
		l.sent = sent
	}
	close(l.again)
	l.again = make(chan struct{})
}

// at returns how long before now the lease was last known to be ours.
func (l *leaseAge) at(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Sub(l.sent)
}

// left returns for how long a lease of that length is fresh, and what is closed at
// the next renew.
func (l *leaseAge) left(lease time.Duration) (time.Duration, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return lease - time.Since(l.sent), l.again
}

// errLeaseAged is why a dial ends that outlasts the lease.
var errLeaseAged = errors.New("the lease could not be renewed meanwhile")

// whileFresh waits until the lease is fresh, and asks for renews: only who holds one
// may open a room. The returned context ends when the lease is not fresh any more, so
// that a dial that hangs does not publish beside a successor; the caller cancels it.
func (l *leaseAge) whileFresh(ctx context.Context, lease time.Duration, ask func()) (context.Context, context.CancelFunc, error) {
	for {
		left, next := l.left(lease)
		if left > 0 {
			break
		}
		ask()
		select {
		case <-next:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
	leased, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			left, next := l.left(lease)
			if left <= 0 {
				cancel(errLeaseAged)
				return
			}
			t := time.NewTimer(left)
			select {
			case <-t.C:
			case <-next:
			case <-leased.Done():
			}
			t.Stop()
			if leased.Err() != nil {
				return
			}
		}
	})
	return leased, func() { cancel(nil); watching.Wait() }, nil
}
