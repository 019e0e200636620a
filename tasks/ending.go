package tasks

import (
	"context"
	"sync"
)

// ending ends what is done under it: once, with a cause, and also what begins
// later.
type ending struct {
	asked chan struct{} // closed with the cause

	mu      sync.Mutex
	why     error
	cancels map[*context.CancelCauseFunc]struct{}
}

func newEnding() *ending {
	return &ending{asked: make(chan struct{}), cancels: map[*context.CancelCauseFunc]struct{}{}}
}

// under returns a context that ends with ctx, or with the ending's cause. The
// caller cancels it.
func (e *ending) under(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why != nil {
		cancel(e.why)
	}
	e.cancels[&cancel] = struct{}{}
	return ctx, func() {
		e.mu.Lock()
		delete(e.cancels, &cancel)
		e.mu.Unlock()
		cancel(nil)
	}
}

// cancel ends all; the first cause counts.
func (e *ending) cancel(cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.why != nil {
		return
	}
	e.why = cause
	close(e.asked)
	for cancel := range e.cancels {
		(*cancel)(cause)
	}
}

// cause is why it was ended; nil: it was not.
func (e *ending) cause() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.why
}
