package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
)

// claimsAtOnce bounds how many attempts one call claims.
const claimsAtOnce = 64

// errClaimedTwice sends a task back whose push is being claimed here just now, or was a
// moment ago: the store would take that for a reply that was lost, and give it again. So
// it does while an older attempt ends here: there is one publisher at a time.
var errClaimedTwice = errors.New("the push is in this worker already")

// claimant is an attempt that is to be this worker's.
type claimant struct {
	lease    Lease
	prepared *attempt // of one that prepares already; else nil
}

// claim makes the attempt ours, or returns nil when there is nothing to run. Whoever
// claims at the same time does it in one call, so that what it finds running is what
// runs.
func (w *Worker) claim(ctx context.Context, t Task) (*attempt, error) {
	w.awaitOlder(ctx, t)
	// What is claimed must be run: who asks waits for the answer.
	ctx = context.WithoutCancel(ctx)
	c := claimant{lease: Lease{ID: t.ID, Epoch: t.Epoch, Worker: w.Name}}
	claimed, err := w.claims.Ask(ctx, c)
	if err == nil {
		err = claimed.err
	}
	if isTaken(err) {
		w.Log.Info("attempt not taken", "push_id", t.ID, "epoch", t.Epoch, "reason", err)
		return nil, nil
	}
	return claimed.attempt, err
}

// awaitOlder waits for an older attempt of t's push that is ending here, for a lease at
// most. The push has no owner meanwhile: nobody would renew what only waits.
func (w *Worker) awaitOlder(ctx context.Context, t Task) {
	w.mu.Lock()
	older := w.attempts[t.ID]
	w.mu.Unlock()
	if older == nil {
		return
	}
	w.askRenewOf(t.ID) // it may not know that it is lost
	ctx, cancel := context.WithTimeout(ctx, w.Lease)
	defer cancel()
	select {
	case <-older.done:
	case <-ctx.Done():
	}
}

// claimed is what became of a claimant.
type claimed struct {
	attempt *attempt
	err     error
}

// claimAll asks the store for all that are to be ours. One call at a time: it is the
// look at who runs here, and holds until what it claims does.
func (w *Worker) claimAll(asked []claimant) ([]claimed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), storeTime)
	defer cancel()
	all := make([]claimed, len(asked))
	var claims []Claim
	var of []int
	twice := map[string]bool{}
	for i, c := range asked {
		others, err := w.others(c.lease.ID)
		switch {
		case c.prepared != nil && w.has(c.lease.ID): // a later attempt: an older one would have kept it from being prepared
			err = ErrStale
		case w.has(c.lease.ID), c.prepared == nil && (twice[c.lease.ID] || w.prepares(c.lease)):
			err = errClaimedTwice
		case err == nil: // what was true when the task came may have changed while it waited
			err = w.refusal()
		}
		twice[c.lease.ID] = true
		if err != nil {
			all[i].err = err
			continue
		}
		place := w.carried.place(c.lease)
		place.Others, place.Counted = others, c.prepared != nil
		claims, of = append(claims, Claim{Lease: c.lease, Place: place}), append(of, i)
	}
	if len(claims) == 0 {
		return all, nil
	}
	sent := time.Now()
	answers, err := w.Store.Claims(ctx, claims, w.Sealer.Keys()...)
	if err != nil {
		return nil, err
	}
	for n, i := range of {
		all[i] = w.enter(asked[i], answers[n], sent)
	}
	return all, nil
}

// enter makes a known as what the store's answer says: the worker's own, or one that
// may prepare.
func (w *Worker) enter(c claimant, answer ClaimAnswer, sent time.Time) claimed {
	a, err := c.prepared, answer.Err
	switch {
	case err != nil && (!errors.Is(err, ErrHandover) || w.Handovers == nil || a != nil):
		return claimed{err: err}
	case a != nil:
		a.refresh(answer.Push, sent)
		w.register(a)
		return claimed{attempt: a}
	}
	a = w.newAttempt(c.lease, answer.Claimed)
	a.age.set(sent)
	if err == nil {
		w.register(a)
	} else if err = w.prepare(a); err != nil {
		return claimed{err: err}
	}
	w.carried.begin(c.lease, answer.Push.Cost)
	return claimed{attempt: a}
}

func (w *Worker) newAttempt(l Lease, c Claimed) *attempt {
	a := newAttempt(l, c.Push)
	a.secrets.sealed, a.metrics = c.Envelope, w.Metrics
	a.log, a.askRenew = w.Log.With("push_id", l.ID, "epoch", l.Epoch, "room_id", c.Push.Spec.RoomID), func() { w.askRenewOf(l.ID) }
	a.meter = media.NewMeter(0)
	a.meter.GoOnFrom(lastProgress(c.Push))
	return a
}
