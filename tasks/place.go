package tasks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// ReserveTime bounds how long one worker of the fleet keeps itself free of
	// new pushes for one that must run alone; ReserveRest is how long none does
	// after that.
	ReserveTime = 30 * time.Minute
	ReserveRest = 5 * time.Minute
	// lonelyTime bounds how long a push that must run alone keeps its worker
	// closed when it does not settle (its source comes and goes).
	lonelyTime = time.Minute
	// ever is when a worker is empty that has a push without an end.
	ever = 10000 * time.Hour
)

// ErrReserved is what a new push is refused with while the worker keeps itself
// for one that must run alone. The queue brings it again, elsewhere if it can.
var ErrReserved = errors.New("this worker keeps itself for a push that must run alone")

// Reservation asks that a worker keep itself free of new pushes for one with
// LonelyStrikes.
type Reservation struct {
	ID      string // the push that must run alone
	Worker  string
	EmptyIn time.Duration // until the worker is empty, as far as it knows
}

// PlaceStore knows which pushes wait for a worker that is free for them. Its
// errors are *Error with CodeRedisUnavailable.
type PlaceStore interface {
	// Reserve says whether the worker is to keep itself free, as one of the
	// fleet at most is; it holds for a
	// lease, so the worker asks again and again. It does not when the push
	// does not wait any more, another worker is reserved that is empty no
	// later, ReserveTime is over, or the worker is the only one and would not
	// be empty within that.
	Reserve(ctx context.Context, r Reservation) (bool, error)
	// Refused notes why a worker does not take the queued push of t, unless it
	// was made less than after ago or another refusal is known. A new reason
	// is a trouble in its history.
	Refused(ctx context.Context, t Task, after time.Duration, why Waiting) error
}

// reservation is what a worker keeps itself for; guarded by Worker.mu.
type reservation struct {
	id    string
	since time.Time // when it was last told so
}

// place counts the pushes that one with strikes may not run beside, or refuses
// l because one with strikes runs here and has not settled, or is to. A push
// that is not new has viewers who wait: it is taken in spite of a reservation.
func (w *Worker) place(l Lease) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	others, err := w.othersLocked(l.ID, now)
	if err == nil && l.Epoch == 1 && w.reserved.id != l.ID && w.reservedLocked(now) {
		return 0, ErrReserved
	}
	return others, err
}

// reservedLocked says whether this worker keeps itself for a push.
func (w *Worker) reservedLocked(now time.Time) bool {
	return w.reserved.id != "" && now.Sub(w.reserved.since) < w.Lease
}

// othersLocked does not count pushes that had strikes and have settled: a crash
// cannot strike them any more. A source that is being prepared counts: it can
// bring the worker down before it is claimed.
func (w *Worker) othersLocked(id string, now time.Time) (int, error) {
	n := 0
	for _, a := range w.attempts {
		struck, settled := a.push.Strikes >= LonelyStrikes, a.settled(now)
		switch {
		case a.lease.ID == id || struck && settled:
		case struck && now.Sub(a.begun) < lonelyTime:
			return 0, ErrCrowded
		default:
			n++
		}
	}
	for other := range w.preparing {
		if other != id {
			n++
		}
	}
	return n, nil
}

// crowded is told that id must run alone and cannot here now.
func (w *Worker) crowded(ctx context.Context, id string) {
	w.mu.Lock()
	free := w.reserved.id == "" && !w.draining
	w.mu.Unlock()
	if free {
		w.reserve(ctx, id)
	}
}

// keepReserved asks again for what this worker keeps itself for, if anything.
// One that is going away does not, so that another is reserved soon.
func (w *Worker) keepReserved(ctx context.Context) {
	w.mu.Lock()
	if w.draining {
		w.reserved = reservation{}
	}
	id := w.reserved.id
	w.mu.Unlock()
	if id != "" {
		w.reserve(ctx, id)
	}
}

// reserve asks whether this worker is to keep itself for id.
func (w *Worker) reserve(ctx context.Context, id string) {
	asked := time.Now()
	yes, err := w.Places.Reserve(ctx, Reservation{ID: id, Worker: w.Name, EmptyIn: w.emptyIn(id, asked)})
	if err != nil {
		w.Log.Warn("worker could not be reserved", "push_id", id, "error", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch was := w.reserved.id == id; {
	case yes:
		w.reserved = reservation{id: id, since: asked}
		if !was {
			w.Log.Info("no new pushes: one waits for an empty worker", "push_id", id)
		}
	case was:
		w.reserved = reservation{}
		w.Log.Info("new pushes are taken again", "push_id", id)
	}
}

// emptyIn is how long the pushes beside id still take, those that are being
// prepared included. Among workers whose
// pushes have no known end, one with fewer is sooner empty.
func (w *Worker) emptyIn(id string, now time.Time) time.Duration {
	var longest, endless time.Duration
	w.mu.Lock()
	beside := slices.AppendSeq(slices.Collect(maps.Values(w.attempts)), maps.Values(w.preparing))
	w.mu.Unlock()
	for _, a := range beside {
		left, known := a.left(now)
		switch {
		case a.lease.ID == id || a.settled(now) && a.push.Strikes >= LonelyStrikes:
		case known:
			longest = max(longest, left)
		default:
			longest, endless = ever, endless+time.Minute
		}
	}
	return longest + endless
}

// left returns how long the push still takes, all its plays together, if that
// is known.
func (a *attempt) left(now time.Time) (left time.Duration, known bool) {
	a.mu.Lock()
	source, live := a.source, a.live
	a.mu.Unlock()
	o, done := a.push.Spec.Options, a.meter.Snapshot(now)
	if known = source != nil && !live && source.DurationMs > 0 && !done.Unclocked && o.Repeat != media.RepeatForever; known {
		whole := time.Duration(source.DurationMs) * time.Millisecond
		if o.EndAt > 0 {
			whole = min(whole, o.EndAt)
		}
		left = max(whole-done.Position, 0)
		for play := done.Loop + 1; play < o.Repeat && left < ever; play++ {
			left += max(whole-o.StartAt, 0)
		}
	}
	if rest := max(o.MaxDuration-done.Played, 0); o.MaxDuration > 0 && (!known || rest < left) {
		left, known = rest, true
	}
	return left, known
}
