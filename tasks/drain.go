package tasks

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// handoverTime is how long a drain waits for successors to get ready: what the
	// process has for giving back (14 s) but for the time to write pushes down that
	// leave without one.
	handoverTime = 11 * time.Second
	// askAgain is how often a push that waits for its successor asks whether there may
	// be one.
	askAgain = time.Second
	// handoverPoll is how often the two sides of a handover look at the
	// record: this is what viewers wait for.
	handoverPoll = 15 * time.Millisecond
	// handoverLooks is how many records one look reads.
	handoverLooks = 500
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
//
// A push stays in its room until its next attempt is prepared elsewhere, or will not
// be. Only so many are announced at a time as other workers get ready in time: who
// opens a source takes time from those that change over. While Redis is away they stay,
// too: nobody could go on with what has left.
func (w *Worker) Drain(ctx context.Context) {
	w.Refuse()
	inTime, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	var leaving sync.WaitGroup
	var last []*attempt
	waves, all := newWaves(), inLeavingOrder(w.snapshot())
	for i, a := range all {
		switch {
		case w.Handovers == nil || !a.publishes():
			a.cancel(media.ErrDraining)
		case a.strikes() > 0: // it is not prepared beside others
			last = append(last, a)
		default:
			waves.enter(inTime, a, len(all)-i)
			leaving.Go(func() {
				waves.left(a, w.leaveWarm(inTime, a))
			})
		}
	}
	leaving.Wait()
	for _, a := range last {
		a.cancel(media.ErrDraining)
	}
	w.awaitIdle(ctx)
}

// inLeavingOrder sorts pushes: first those that nobody sees now, then live ones, which
// miss what they do not show, then files.
func inLeavingOrder(all []*attempt) []*attempt {
	rank := map[*attempt]int{}
	for _, a := range all {
		switch {
		case !a.publishes():
			rank[a] = 0
		case a.isLive():
			rank[a] = 1
		default:
			rank[a] = 2
		}
	}
	slices.SortFunc(all, func(a, b *attempt) int {
		return cmp.Or(cmp.Compare(rank[a], rank[b]), cmp.Compare(a.lease.ID, b.lease.ID))
	})
	return all
}

// leaveWarm ends a here once its next attempt waits for nothing but the release, or
// will not be ready in time; it says whether it was.
func (w *Worker) leaveWarm(ctx context.Context, a *attempt) (ready bool) {
	begin := time.Now()
	successor, err := w.awaitSuccessor(ctx, a)
	if err != nil {
		a.log.Warn("next attempt could not be announced", "error", err)
	}
	a.log.Info("push is being handed over", "successor", successor, "after", time.Since(begin))
	a.cancel(media.ErrDraining)
	if err == nil {
		select {
		case <-a.done:
		case <-ctx.Done():
		}
	}
	return successor != ""
}

// awaitSuccessor announces a and returns the worker that is ready to go on with it, or
// nothing when there will be none. Redis may fail meanwhile.
func (w *Worker) awaitSuccessor(ctx context.Context, a *attempt) (successor string, err error) {
	again := func(err error) bool { return a.cause() == nil && unreachable(err) && !isTaken(err) }
	for {
		var announced bool
		err := retryWhile(ctx, again, func() (err error) {
			announced, err = w.announce(ctx, a)
			if err == nil && !announced && w.cutOff() { // so were the others, who may not have said yet that they are there
				return ErrUnsure
			}
			return err
		})
		if ctx.Err() != nil {
			return "", nil
		}
		if err != nil || !announced {
			return "", err
		}
		if successor, over := w.lookForSuccessor(ctx, a); over {
			return successor, nil
		}
	}
}

// announce says that a is about to leave, and rings for its next attempt: Redis may have
// come back without the announcement of before, or without the bell.
func (w *Worker) announce(ctx context.Context, a *attempt) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	announced, err := w.Handovers.Announce(ctx, a.lease)
	if err != nil || !announced {
		return false, err
	}
	next := a.push
	next.Epoch = a.lease.Epoch + 1
	return true, w.Queue.Enqueue(ctx, TaskOf(next), true)
}

// lookForSuccessor looks for askAgain; over says that there is no more to wait for.
func (w *Worker) lookForSuccessor(ctx context.Context, a *attempt) (successor string, over bool) {
	look, cancel := context.WithTimeout(ctx, askAgain)
	defer cancel()
	next := Lease{ID: a.lease.ID, Epoch: a.lease.Epoch + 1}
	for a.cause() == nil && look.Err() == nil {
		h, err := w.handovers.Ask(look, next)
		if err == nil && h.Successor != "" {
			return h.Successor, true
		}
	}
	return "", a.cause() != nil || ctx.Err() != nil
}

// lookAtHandovers is one look at how far handovers are, for all who wait.
func (w *Worker) lookAtHandovers(next []Lease) ([]Handover, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askAgain)
	defer cancel()
	return w.Handovers.Handovers(ctx, next)
}

// strikes are those of the push.
func (a *attempt) strikes() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.push.Strikes
}

// publishes says whether viewers see a now.
func (a *attempt) publishes() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state == Publishing
}
