package tasks

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Player plays a job; it is media.Pusher, or a fake.
type Player interface {
	Play(ctx context.Context, job media.Job) error
}

// WorkerConfig is what a Worker needs.
type WorkerConfig struct {
	Name      string // unique among all workers, a new one for every process
	Version   string // of the program
	Slots     int    // pushes at once
	Lease     time.Duration
	RenewCap  time.Duration // how long a push goes on without a successful renew
	Store     AttemptStore
	Leases    LeaseStore
	Refusals  RefusalStore
	Handovers HandoverStore // nil: no attempt prepares before it is claimed
	Queue     Queue
	Resume    ResumeStore
	Sealer    Sealer
	Player    Player
	Previews  PreviewStore // nil with Pictures: no previews are made
	Pictures  PictureMaker
	Memory    Memory               // nil: none is watched
	CPU       func() time.Duration // of cores that this worker has used; nil: it is not told
	Capacity  Capacity             // zero: nothing is counted
	Metrics   WorkerMetrics        // nil: nothing is counted
	Sandbox   string               // what keeps in what takes sources apart: SandboxHolds, or what it lacks; empty: it is not told
	Log       *slog.Logger
}

// Worker runs attempts: it is the registry of those in this process, and the
// one that renews their leases.
type Worker struct {
	WorkerConfig
	since      time.Time       // its begin
	base       context.Context // parent of every attempt's context
	cancel     context.CancelCauseFunc
	renewAsked chan struct{} // capacity 1
	carried    carried
	asked      askedRenews
	claims     sync.Mutex // held from the look at who runs here until the claimed attempt does

	mu          sync.Mutex
	attempts    map[string]*attempt // by push id
	preparing   map[string]*attempt // by push id; not claimed yet
	slots       int                 // taken, those about to claim included
	past        media.Totals        // of attempts that have ended
	draining    bool
	renewFailed time.Time  // last renew that failed
	idle        *sync.Cond // no slot is taken
	unreported  unreportedEnds
	memoryState memoryState
	loads       loads
	previews    previews
}

// What Handle refuses a task with; the queue tries again later, elsewhere if
// it can.
var (
	ErrFull     = errors.New("all slots of this worker are taken")
	ErrDraining = errors.New("this worker is going away")
	ErrUnsure   = errors.New("this worker was cut off from Redis a moment ago")
)

// NewWorker returns a Worker; Run makes it renew.
func NewWorker(c WorkerConfig) *Worker {
	if c.Metrics == nil {
		c.Metrics = unmeasured{}
	}
	w := &Worker{
		WorkerConfig: c, since: time.Now(), renewAsked: make(chan struct{}, 1), attempts: map[string]*attempt{}, preparing: map[string]*attempt{},
		previews: newPreviews(), carried: newCarried(c.Capacity),
	}
	w.base, w.cancel = context.WithCancelCause(context.Background())
	w.idle = sync.NewCond(&w.mu)
	return w
}

// Handle runs the attempt that t announces to its end. It returns nil when the
// task is done with, whatever became of the push, a *PushFailed when it has
// failed, and another error when the queue should bring it again.
func (w *Worker) Handle(ctx context.Context, t Task) error {
	running, err := w.admit(t)
	if err != nil {
		w.Metrics.Refused(err)
		w.tellRefused(ctx, t, err)
		return err
	}
	if running != nil { // delivered twice: wait with the one that runs
		<-running.done
		return nil
	}
	defer w.leave()
	a, err := w.claim(ctx, t)
	if err != nil {
		w.Metrics.Refused(err)
	}
	if errors.Is(err, ErrCapacity) {
		w.carried.refused(t)
	}
	if a == nil {
		return err
	}
	defer w.forget(a)
	w.run(a)
	return a.outcome()
}

// admit takes a slot, or returns the attempt that runs here already.
func (w *Worker) admit(t Task) (*attempt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.attempts[t.ID]; a != nil && a.lease.Epoch >= t.Epoch {
		return a, nil
	}
	if err := w.refusalLocked(); err != nil {
		return nil, err
	}
	if err := w.memoryState.refusal(); err != nil {
		return nil, err
	}
	if w.slots >= w.Slots {
		return nil, ErrFull
	}
	if !w.carried.takes(t.GoesOn) {
		w.carried.refused(t)
		return nil, ErrCapacity
	}
	w.slots++
	return nil, nil
}

// refusal says why this worker claims nothing now.
func (w *Worker) refusal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusalLocked()
}

func (w *Worker) refusalLocked() error {
	switch {
	case w.draining:
		return ErrDraining
	case time.Since(w.renewFailed) < w.Lease:
		// Redis may have come back without its last writes: whoever runs a
		// push has a renew's time to say so before it can be claimed anew.
		return ErrUnsure
	}
	return nil
}

func (w *Worker) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slots--
	if w.slots == 0 {
		w.idle.Broadcast()
	}
}

// claim makes the attempt ours, or returns nil when there is nothing to run.
// One claim at a time, so that what it finds running is what runs.
func (w *Worker) claim(ctx context.Context, t Task) (*attempt, error) {
	w.claims.Lock()
	defer w.claims.Unlock()
	lease := Lease{ID: t.ID, Epoch: t.Epoch, Worker: w.Name}
	log := w.Log.With("push_id", t.ID, "epoch", t.Epoch)
	sent := time.Now()
	claimed, err := w.take(ctx, lease)
	switch {
	case isTaken(err):
		log.Info("attempt not taken", "reason", err)
		return nil, nil
	case err != nil && (!errors.Is(err, ErrHandover) || w.Handovers == nil):
		return nil, err
	}
	a := newAttempt(w.base, lease, claimed.Push)
	a.envelope, a.metrics = claimed.Envelope, w.Metrics
	a.log, a.askRenew, a.renewed = log.With("room_id", claimed.Push.Spec.RoomID), func() { w.askRenewOf(t.ID) }, sent
	a.meter = media.NewMeter(0)
	if w.Pictures != nil {
		a.keyframe = &media.LastKeyframe{}
	}
	a.meter.GoOnFrom(lastProgress(claimed.Push))
	if err != nil {
		return w.prepare(a)
	}
	w.carried.begin(lease, claimed.Push.Cost)
	w.register(a)
	return a, nil
}

// take asks the store for l if there is a place for it here; w.claims is held.
func (w *Worker) take(ctx context.Context, l Lease) (Claimed, error) {
	others, err := w.others(l.ID)
	if err != nil {
		return Claimed{}, err
	}
	place := w.carried.place(l)
	place.Others = others
	return w.Store.Claim(ctx, l, place, w.Sealer.Keys()...)
}

// register makes a known to the renewer. A push whose older attempt is still
// ending here waits for it: there is one publisher at a time.
func (w *Worker) register(a *attempt) {
	for {
		w.mu.Lock()
		older := w.attempts[a.lease.ID]
		if older == nil {
			w.attempts[a.lease.ID] = a
			if w.preparing[a.lease.ID] == a {
				delete(w.preparing, a.lease.ID)
			}
			if w.draining {
				a.cancel(media.ErrDraining)
			}
			w.mu.Unlock()
			w.Metrics.Began()
			return
		}
		w.mu.Unlock()
		older.cancel(media.ErrLost)
		<-older.done
		w.unreported.add(older.lease)
	}
}

func (w *Worker) forget(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.attempts[a.lease.ID] == a {
		delete(w.attempts, a.lease.ID)
	}
	w.past.Add(a.meter.Totals())
	if w.preparing[a.lease.ID] == a {
		delete(w.preparing, a.lease.ID)
	}
	w.carried.end(a.lease)
	close(a.done)
	a.cancel(nil)
}

// Running returns how many pushes this worker has now.
func (w *Worker) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.attempts)
}

// Nudge asks the store at once what is wanted of the worker's pushes: the fast
// path of a stop, whose truth is in the record.
func (w *Worker) Nudge(id string) {
	w.mu.Lock()
	_, here := w.attempts[id]
	w.mu.Unlock()
	if here {
		w.askRenewOf(id)
	}
}
