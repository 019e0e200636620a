package tasks

import (
	"context"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// warmTime is how long a push goes on here while its next attempt
	// prepares elsewhere.
	warmTime = time.Second
	// handoverPoll is how often the two sides of a handover look at the
	// record: this is what viewers wait for.
	handoverPoll = 15 * time.Millisecond
)

// Refuse lets Handle take nothing more. It comes first in a drain: the queue
// brings tasks until it has stopped.
func (w *Worker) Refuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	w.askRenew() // the fleet is to know at once
	for _, a := range w.preparing {
		a.cancel(media.ErrDraining)
	}
}

// Drain gives every push back and returns when all have ended here, or ctx
// has. Run must go on until then, and the queue should have stopped, lest it
// bring the next attempts here.
func (w *Worker) Drain(ctx context.Context) {
	w.Refuse()
	var leaving sync.WaitGroup
	for _, a := range w.snapshot() {
		leaving.Go(func() { w.leaveWarm(ctx, a) })
	}
	leaving.Wait()
	w.awaitIdle(ctx)
}

// leaveWarm ends a here once its next attempt waits for nothing but the
// release, or will not be ready soon.
func (w *Worker) leaveWarm(ctx context.Context, a *attempt) {
	defer a.cancel(media.ErrDraining)
	if w.Handovers == nil || !a.publishes() {
		return
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, warmTime)
	defer cancel()
	if !w.announce(ctx, a) {
		return
	}
	successor := w.awaitSuccessor(ctx, a)
	a.log.Info("push is being handed over", "successor", successor, "after", time.Since(begin))
}

// announce rings for the next attempt before this one has ended.
func (w *Worker) announce(ctx context.Context, a *attempt) bool {
	announced, err := w.Handovers.Announce(ctx, a.lease)
	if err == nil && announced {
		next := a.push
		next.Epoch = a.lease.Epoch + 1
		err = w.Queue.Enqueue(ctx, TaskOf(next), true)
	}
	if err != nil {
		a.log.Warn("next attempt could not be announced", "error", err)
		return false
	}
	return announced
}

// awaitSuccessor returns the worker that is ready to go on with a, or nothing when
// ctx ends before, or a has.
func (w *Worker) awaitSuccessor(ctx context.Context, a *attempt) (successor string) {
	t := time.NewTicker(handoverPoll)
	defer t.Stop()
	for {
		h, err := w.Handovers.Handover(ctx, a.lease.ID, a.lease.Epoch+1)
		if err == nil && h.Successor != "" {
			return h.Successor
		}
		select {
		case <-t.C:
		case <-a.asked:
			return ""
		case <-ctx.Done():
			return ""
		}
	}
}

// publishes says whether viewers see a now.
func (a *attempt) publishes() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state == Publishing
}
