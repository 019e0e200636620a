package tasks

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// ErrCapacity is what a task is refused with that the cores of this worker do not
// suffice for. The queue brings it again.
var ErrCapacity = errors.New("the cores of this worker do not suffice for this push beside what it runs")

// goesOnTime is for how long a worker leaves its cores to a push that must go on and
// did not fit: until the queue has brought it twice more.
const goesOnTime = 5 * time.Second

// carried is what a worker's cores are counted with. It asks itself twice: before it
// takes from the queue, and when it is known what is done with a push's source.
type carried struct {
	capacity Capacity

	mu     sync.Mutex
	costs  map[Lease]Cost
	played map[Lease]bool // by leases that were found to fit
	goesOn time.Time      // when a push that must go on did not fit
}

func newCarried(c Capacity) carried {
	return carried{capacity: c, costs: map[Lease]Cost{}, played: map[Lease]bool{}}
}

// place is what is here beside l.
func (c *carried) place(l Lease) Place {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.placeLocked(l)
}

func (c *carried) placeLocked(l Lease) Place {
	p := Place{Limit: c.capacity.limit()}
	for other, cost := range c.costs {
		if other != l {
			p.Taken += cost
		}
	}
	return p
}

// begin counts an attempt, with what its record says that it costs.
func (c *carried) begin(l Lease, cost Cost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.costs[l] = max(cost, LeastCost)
}

func (c *carried) end(l Lease) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.costs, l)
	delete(c.played, l)
}

// fit counts an attempt, whose plan is known now, anew if it fits.
func (c *carried) fit(l Lease, cost Cost) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.placeLocked(l).fits(cost) {
		return false
	}
	c.costs[l], c.played[l] = cost, true
	return true
}

// recount counts an attempt anew that is played; its plan may have changed. Nobody
// is thrown out for it.
func (c *carried) recount(l Lease, cost Cost) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.played[l] {
		c.costs[l] = cost
	}
}

// refused notes that a task did not fit.
func (c *carried) refused(t Task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.GoesOn {
		c.goesOn = time.Now()
	}
}

// takes says whether a task may fit, one of a push that must go on or a new one.
// What must go on goes first: where it does not fit, nothing new takes its place.
func (c *carried) takes(goesOn bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !goesOn && !c.goesOn.IsZero() && time.Since(c.goesOn) < goesOnTime {
		return false
	}
	return c.placeLocked(Lease{}).fits(LeastCost)
}

// report is what is told of it; nil when nothing is counted.
func (c *carried) report() *CapacityReport {
	p := c.place(Lease{})
	if p.Limit <= 0 {
		return nil
	}
	return &CapacityReport{
		Cores: c.capacity.cores(p.Limit), Used: c.capacity.cores(p.Taken), Speed: c.capacity.speed(),
		Taken: p.Taken, Limit: p.Limit, Full: !c.takes(false),
	}
}

// Cores returns what this worker tells of its cores; nil when none are counted.
func (w *Worker) Cores() *CapacityReport { return w.carried.report() }

// Takes says whether this worker has cores for one more push: one that must go on,
// or a new one. The queue asks before it takes a task.
func (w *Worker) Takes(goesOn bool) bool { return w.carried.takes(goesOn) }

// fits says whether a, whose plan is known, may be played here. It is asked before
// the room is opened.
func (w *Worker) fits(a *attempt) error {
	cost, capacity := a.cost(), w.carried.capacity
	if !w.carried.fit(a.lease, cost) {
		a.log.Info("push does not fit", "cores", capacity.cores(cost), "taken", capacity.cores(w.carried.place(a.lease).Taken))
		return ErrCapacity
	}
	if limit := capacity.limit(); limit > 0 && cost > limit {
		a.Warned(media.WarnTooSlow, fmt.Sprintf("the push needs about %.1f cores, and this worker has %.1f for all pushes: it may be too slow for it; "+
			"a smaller width and height cost less, and a copied picture least", capacity.cores(cost), capacity.cores(limit)))
	}
	return nil
}

// cost is what a costs, as far as that is known.
func (a *attempt) cost() Cost {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.costLocked()
}

func (a *attempt) costLocked() Cost {
	if a.plan == nil {
		return max(a.push.Cost, LeastCost)
	}
	return costOf(a.source, a.plan, a.push.Spec.Options.Video)
}
