package tasks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

// errNotHandedOver sends the task of an attempt back that was prepared and
// never released: the push must not lose its bell.
var errNotHandedOver = errors.New("the push was prepared here and not released in time")

// successorTime is how many leases an attempt waits prepared after its predecessor must
// have left: that may have vanished, and the sweeper needs one and a bit.
const successorTime = 2

// successor is what an attempt has that is prepared while its predecessor still
// publishes. Until it is claimed it is none of the worker's attempts: nobody
// renews it, and it may not open the room.
type successor struct {
	claimed chan struct{}  // closed with the claim
	from    media.Progress // where the predecessor stood; known with the claim
	refused error          // why it was never claimed
}

// owned says whether a is this worker's by a claim.
func (a *attempt) owned() bool {
	if a.successor == nil {
		return true
	}
	select {
	case <-a.successor.claimed:
		return true
	default:
		return false
	}
}

// PushFailed is what Handle answers for an attempt whose push has failed. The
// queue is done with the task, too, and is to show it as failed.
type PushFailed struct{ Failure Failure }

func (e *PushFailed) Error() string { return string(e.Failure.Code) + ": " + e.Failure.Message }

// outcome is what Handle answers for an attempt that has ended here.
func (a *attempt) outcome() error {
	if a.failure != nil {
		return &PushFailed{Failure: *a.failure}
	}
	if a.owned() || isTaken(a.successor.refused) {
		return nil
	}
	return a.successor.refused
}

// isTaken says whether a claim was refused because there is nothing to claim.
func isTaken(err error) bool {
	return errors.Is(err, ErrGone) || errors.Is(err, ErrEnded) || errors.Is(err, ErrStale) || errors.Is(err, ErrHeld)
}

// claimOnRelease claims a as soon as its predecessor has released it, whether or not
// it is prepared by then, and ends it when that does not happen in time.
func (w *Worker) claimOnRelease(ctx context.Context, a *attempt) {
	if err := w.awaitRelease(ctx, a); err != nil {
		a.successor.refused = err
		a.log.Info("attempt not taken", "reason", err)
		a.cancel(media.ErrLost)
	}
}

func (w *Worker) awaitRelease(ctx context.Context, a *attempt) error {
	ctx, cancel := context.WithTimeout(ctx, handoverTime+successorTime*w.Lease)
	defer cancel()
	for {
		h, err := w.handovers.Ask(ctx, a.lease)
		if err == nil && !h.Stands {
			// Trouble that passes gives up nothing: the push goes on here the soonest.
			if err := w.claimPrepared(ctx, a); !errors.Is(err, ErrHandover) && !errors.Is(err, ErrUnsure) && !isAway(err) {
				return err
			}
		}
		switch {
		case a.cause() != nil:
			return a.cause()
		case ctx.Err() != nil:
			return errNotHandedOver
		}
	}
}

// claimPrepared makes a ours, by the rules of any claim.
func (w *Worker) claimPrepared(ctx context.Context, a *attempt) error {
	// A claim whose answer nobody awaits would leave the push without anybody
	// until its lease is over.
	c, err := w.claims.Ask(context.WithoutCancel(ctx), claimant{lease: a.lease, prepared: a})
	if err == nil {
		err = c.err
	}
	if err != nil {
		return err
	}
	a.log.Info("attempt started", "position", a.successor.from.Position, "prepared", true)
	close(a.successor.claimed)
	return nil
}

// refresh takes over what has changed in the record since a was prepared.
func (a *attempt) refresh(p Push, sent time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	own := a.warnings
	a.age.set(sent)
	a.started, a.warnings = p.StartedAt, slices.Clone(p.Warnings)
	for _, w := range own {
		if !slices.Contains(a.warnings, w) {
			a.warnings = append(a.warnings, w)
		}
	}
	a.push.Strikes, a.push.Abandoned, a.successor.from = p.Strikes, p.Abandoned, lastProgress(p)
	a.meter.GoOnFrom(a.successor.from)
	a.troubles.continueFrom(p)
}

// awaitClaim is the hook by which the media takes a push over: the source is open, and
// what is missing is the claim. It tells the owner once a second: Redis may lose that. While
// the claim would be refused it does not.
func (w *Worker) awaitClaim(ctx context.Context, a *attempt) (media.Progress, error) {
	t := time.NewTicker(askAgain)
	defer t.Stop()
	for {
		if !a.owned() && !w.cutOff() {
			go w.tellReady(ctx, a) // go-redis reads until a deadline: no cancel, nor the claim, ends that
		}
		select {
		case <-a.successor.claimed:
			return a.successor.from, nil
		case <-t.C:
		case <-ctx.Done():
			return media.Progress{}, context.Cause(ctx)
		}
	}
}

func (w *Worker) tellReady(ctx context.Context, a *attempt) {
	ctx, cancel := context.WithTimeout(ctx, askAgain)
	defer cancel()
	if err := w.Handovers.Ready(ctx, a.lease); err != nil {
		a.log.Debug("attempt could not be announced as ready", "error", err)
	}
}
