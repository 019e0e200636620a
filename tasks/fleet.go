package tasks

import (
	"context"
	"slices"
	"time"
)

// WorkerState says whether a worker takes new pushes, and if not, why.
type WorkerState string

// The states of a worker. In all but the first it takes no new push.
const (
	WorkerReady    WorkerState = "ready"
	WorkerDraining WorkerState = "draining"  // it is going away
	WorkerNoMemory WorkerState = "no_memory" // see ErrMemory
)

// WorkerReport is what a worker tells of itself with each renew.
type WorkerReport struct {
	Name    string      `json:"-"`
	Version string      `json:"version"`
	Slots   int         `json:"slots"`
	Used    int         `json:"used"` // slots that are taken
	Since   time.Time   `json:"since"`
	State   WorkerState `json:"state"`
	Keys    []string    `json:"keys"` // ids of the secret keys it opens envelopes with; nil when it does not tell
	Load    *Load       `json:"load,omitempty"`
	// Capacity is nil when the worker counts none, or does not tell.
	Capacity *CapacityReport `json:"capacity,omitempty"`
	Sandbox  string          `json:"sandbox,omitempty"` // SandboxHolds, or what it lacks; empty when it does not tell
}

// SandboxHolds is what a worker tells that has given up everything where sources are
// taken apart.
const SandboxHolds = "holds"

// Load is what a worker takes of its machine.
type Load struct {
	Cores  float64 `json:"cores"`            // used, on average of the last second or so
	Memory int64   `json:"memory,omitempty"` // bytes, as Memory.Used counts them; 0: not known
	Limit  int64   `json:"limit,omitempty"`  // bytes of memory that it may take; 0: there is none
}

// Fleet is all workers that are there.
type Fleet struct {
	Key     string         // id of the secret key that we seal with
	Workers []WorkerReport // by name
	Lack    Waiting        // why none of them would take one more push now; empty: one would
}

// Opens says whether a worker can open what we seal, as far as it tells.
func (f Fleet) Opens(w WorkerReport) bool { return w.Keys == nil || slices.Contains(w.Keys, f.Key) }

// Cores returns how many cores of the workers are counted with pushes, and for how
// many those that are ready take more.
func (f Fleet) Cores() (used, free float64) {
	for _, w := range f.Workers {
		if c := w.Capacity; c != nil {
			used += c.Used
			if w.State == WorkerReady && w.Used < w.Slots {
				free += c.Free()
			}
		}
	}
	return used, free
}

// FleetStore knows the workers. Its errors are *Error with CodeRedisUnavailable.
type FleetStore interface {
	// Fleet lists the workers that have renewed within their lease, as a push
	// sees them whose envelope is sealed with key.
	Fleet(ctx context.Context, key string) (Fleet, error)
}

// Fleet returns the workers that are there.
func (s *Service) Fleet(ctx context.Context) (Fleet, error) {
	return s.Workers.Fleet(ctx, s.Sealer.Keys()[0])
}

// report is what this worker tells of itself.
func (w *Worker) report() WorkerReport {
	r := WorkerReport{
		Name: w.Name, Version: w.Version, Slots: w.Slots, Since: w.since, State: WorkerReady, Keys: w.Sealer.Keys(), Sandbox: w.Sandbox,
	}
	r.Load = w.measure()
	r.Capacity = w.carried.report()
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Used = w.slots
	switch {
	case w.draining:
		r.State = WorkerDraining
	case w.memoryState.refusal() != nil:
		r.State = WorkerNoMemory
	}
	return r
}
