package tasks

import (
	"context"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// storeTime bounds one call of the store.
const storeTime = 3 * time.Second

// renewEvery is how often a worker renews its leases.
const renewEvery = time.Second

// Run renews the leases of the worker's pushes until ctx ends: of all once a second,
// and at once of those that something has changed of. The first renew tells the others that
// this worker is there: they may hand over to it. Beside that it watches the
// worker itself and makes previews.
func (w *Worker) Run(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { w.watch(ctx) })
	watching.Go(func() { w.makePreviews(ctx) })
	t := time.NewTicker(renewEvery)
	defer t.Stop()
	w.renew(ctx)
	for {
		select {
		case <-t.C:
			w.renew(ctx)
		case <-w.renewAsked:
			w.renewChosen(ctx, w.asked.of)
		case <-ctx.Done():
			return
		}
	}
}

// Appear tells the others that this worker is there, before it takes anything.
func (w *Worker) Appear(ctx context.Context) { w.renew(ctx) }

// Close ends what is left without giving it back; Drain comes before it.
func (w *Worker) Close() { w.closing.cancel(media.ErrDraining) }

// renew renews all pushes.
func (w *Worker) renew(ctx context.Context) {
	w.renewChosen(ctx, func(running func() []*attempt) ([]*attempt, bool) { return running(), true })
}

// renewChosen says that this worker lives, sends what those of its pushes have to say
// that choose picks, and carries out the verdicts.
func (w *Worker) renewChosen(ctx context.Context, choose func(running func() []*attempt) (chosen []*attempt, all bool)) {
	attempts, all := choose(w.snapshot)
	now := time.Now()
	renewals := make([]Renewal, len(attempts))
	for i, a := range attempts {
		renewals[i] = a.renewal(now)
		w.carried.recount(a.lease, renewals[i].Cost)
	}
	unreported := w.unreported.list()
	for _, l := range unreported {
		renewals = append(renewals, Renewal{Lease: l, Over: true})
	}
	own := ctx
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	begin := time.Now()
	verdicts, err := w.Leases.Renew(ctx, w.report(), renewals)
	if err != nil && own.Err() != nil { // the worker ends
		return
	}
	w.Metrics.Renewed(time.Since(begin), err)
	if err != nil {
		w.Log.Warn("renew failed", "pushes", len(attempts), "error", err)
		w.noteRenewFailed(time.Now())
		w.enforceCap(attempts)
		return
	}
	w.unreported.drop(unreported)
	var watched []*attempt
	for i, a := range attempts {
		if verdicts[i] == Gone {
			verdicts[i] = w.restore(ctx, a, now)
			// What this renewal carried may have come after the record was
			// written: it goes with the next.
			renewals[i] = Renewal{Progress: renewals[i].Progress}
		}
		if verdicts[i] == Watched {
			watched = append(watched, a)
		}
		w.obey(a, verdicts[i], renewals[i])
	}
	if all { // else it is not known who is looked at
		w.previews.want(watched)
	}
}

// restore writes the record of a running push anew: Redis has lost it.
func (w *Worker) restore(ctx context.Context, a *attempt, now time.Time) Verdict {
	v, err := w.Leases.Register(ctx, a.registration(now))
	if err != nil {
		a.log.Warn("record is gone and could not be written anew", "error", err)
		return Gone
	}
	a.log.Warn("record was gone", "kept", v == Kept)
	return v
}

func (w *Worker) obey(a *attempt, v Verdict, r Renewal) {
	switch v {
	case Kept, Watched:
		a.accepted(r, r.Progress.UpdatedAt)
	case Stop:
		a.accepted(r, r.Progress.UpdatedAt)
		a.cancel(media.ErrStopped)
	case Lost:
		a.cancel(media.ErrLost)
	case Gone: // tried again with the next renew, up to the cap
		w.enforceCap([]*attempt{a})
	case Late: // nothing was written, a stop perhaps not told
		w.askRenewOf(a.lease.ID)
	}
}

// enforceCap ends pushes that went on without a renew for too long: by then
// somebody else may well have been given them.
func (w *Worker) enforceCap(attempts []*attempt) {
	for _, a := range attempts {
		if a.age.at(time.Now()) > w.RenewCap {
			a.cancel(media.ErrLost)
			w.unreported.add(a.lease)
		}
	}
}
