package tasks

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Player plays a job; it is media.Pusher, or a fake.
type Player interface {
	Play(ctx context.Context, job media.Job) error
}

// WorkerConfig is what a Worker needs.
type WorkerConfig struct {
	Name     string // unique among all workers, a new one for every process
	Version  string // of the program
	Slots    int    // pushes at once
	Lease    time.Duration
	RenewCap time.Duration // how long a push goes on without a successful renew
	Stores
	Queue    Queue
	Sealer   Sealer
	Player   Player
	Pictures PictureMaker // nil: no previews are made
	Machine
	Metrics WorkerMetrics // nil: nothing is counted
	Sandbox string        // what keeps in what takes sources apart: SandboxHolds, or what it lacks; empty: it is not told
	Log     *slog.Logger
}

// Machine is what a Worker runs on.
type Machine struct {
	Memory   Memory               // nil: none is watched
	CPU      func() time.Duration // of cores that this worker has used; nil: it is not told
	Capacity Capacity             // zero: nothing is counted
}

// Stores is what a Worker writes down, by what it is about.
type Stores struct {
	Store     AttemptStore
	Leases    LeaseStore
	Handovers HandoverStore // nil: no attempt prepares before it is claimed
	Resume    ResumeStore
	Previews  PreviewStore // nil with Pictures
}

// Worker runs attempts: it is the registry of those in this process, and the
// one that renews their leases.
type Worker struct {
	WorkerConfig
	*registry
	since      time.Time     // its begin
	closing    *ending       // of all that is done here
	renewAsked chan struct{} // capacity 1
	carried    carried
	asked      askedRenews
	claims     *Batch[claimant, claimed]
	unreported unreportedEnds
	previews   previews
	handovers  *Batch[Lease, Handover] // looks of those who hand over and of those who wait
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
		WorkerConfig: c, registry: newRegistry(), since: time.Now(), closing: newEnding(), renewAsked: make(chan struct{}, 1), previews: newPreviews(),
		carried: newCarried(c.Capacity),
	}
	w.claims = NewBatch(claimsAtOnce, 0, w.claimAll)
	w.handovers = NewBatch(handoverLooks, handoverPoll, w.lookAtHandovers)
	return w
}

// Handle runs the attempt that t announces to its end. It returns nil when the
// task is done with, whatever became of the push, a *PushFailed when it has
// failed, and another error when the queue should bring it again.
func (w *Worker) Handle(ctx context.Context, t Task) error {
	running, err := w.admit(t)
	if err != nil {
		w.Metrics.Refused(err)
		return err
	}
	if running != nil && running.lease.Epoch > t.Epoch {
		return nil // there is nothing to claim any more
	}
	if running != nil { // delivered twice: wait with the one that runs
		<-running.done
		return running.outcome()
	}
	defer w.leave()
	a, err := w.claim(ctx, t)
	if err != nil {
		w.Metrics.Refused(err)
	}
	if !errors.Is(err, errClaimedTwice) && !errors.Is(err, ErrUnsure) && !isAway(err) { // which say nothing of the push
		w.carried.keep(t, errors.Is(err, ErrKept))
	}
	if a == nil {
		return err
	}
	defer w.forget(a)
	defer w.carried.end(a.lease) // before: who waits for the end is to find the cores free
	base, cancel := w.closing.under(context.WithoutCancel(ctx))
	defer cancel()
	w.run(base, a)
	return a.outcome()
}

// admit takes a slot, or returns the attempt, or a later one, that runs here already.
func (w *Worker) admit(t Task) (*attempt, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.attempts[t.ID]; a != nil && a.lease.Epoch >= t.Epoch {
		return a, nil
	}
	if err := cmp.Or(w.refusalLocked(), w.memoryState.refusal()); err != nil {
		return nil, err
	}
	if w.slots >= w.Slots {
		return nil, ErrFull
	}
	if !w.carried.takes(t) {
		return nil, ErrCapacity
	}
	w.slots++
	return nil, nil
}

// opens says whether nothing keeps this worker from opening sources now.
func (w *Worker) opens() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refusalLocked() == nil && w.memoryState.refusal() == nil
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
	case w.cutOffLocked():
		// Redis may have come back without its last writes: whoever runs a
		// push has a renew's time to say so before it can be claimed anew.
		return ErrUnsure
	}
	return nil
}

func (w *Worker) cutOff() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cutOffLocked()
}

func (w *Worker) cutOffLocked() bool { return time.Since(w.renewFailed) < w.Lease }

// register makes a known to the renewer.
func (w *Worker) register(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts[a.lease.ID] = a
	if w.preparing[a.lease.ID] == a {
		delete(w.preparing, a.lease.ID)
	}
	if w.draining {
		a.cancel(media.ErrDraining)
	}
	w.Metrics.Began()
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
