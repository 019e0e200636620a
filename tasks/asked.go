package tasks

import (
	"slices"
	"sync"
)

// askedRenews is what is to be renewed before the next second: all pushes, or those
// that have something to say. Where hundreds start at once, each tells of itself
// three times; all of them with each would be what a start costs.
type askedRenews struct {
	mu     sync.Mutex
	all    bool
	pushes map[string]bool // ids
}

func (r *askedRenews) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pushes == nil {
		r.pushes = map[string]bool{}
	}
	r.pushes[id] = true
}

func (r *askedRenews) addAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = true
}

// of forgets what was asked for and returns the attempts of it. They are looked up
// behind that: what is asked for in between is asked for still.
func (r *askedRenews) of(running func() []*attempt) (asked []*attempt, all bool) {
	r.mu.Lock()
	all, pushes := r.all, r.pushes
	r.all, r.pushes = false, nil
	r.mu.Unlock()
	return slices.DeleteFunc(running(), func(a *attempt) bool { return !all && !pushes[a.lease.ID] }), all
}

// askRenewOf asks for a renew of one push now.
func (w *Worker) askRenewOf(id string) {
	w.asked.add(id)
	w.wakeRenewer()
}

// askRenew asks for a renew of all pushes now.
func (w *Worker) askRenew() {
	w.asked.addAll()
	w.wakeRenewer()
}

func (w *Worker) wakeRenewer() {
	select {
	case w.renewAsked <- struct{}{}:
	default:
	}
}
