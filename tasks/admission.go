package tasks

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// ErrCapacity is what a task is refused with that the cores of this worker do not
// suffice for. The queue brings it again.
var ErrCapacity = errors.New("the cores of this worker do not suffice for this push beside what it runs")

// ErrKept is ErrCapacity for a push that this worker is to keep its cores for.
var ErrKept = fmt.Errorf("%w, and are kept for it", ErrCapacity)

const (
	// KeepAfter is how old a new push is when a worker begins to keep its cores for it:
	// until then smaller ones go first. One that was in its room may be of any age.
	KeepAfter = 10 * time.Second
	// GiveWayAfter is how long a push waits before no worker keeps its cores for it for
	// GiveWayTime; then it is twice as long, and so on. Where pushes never end new ones
	// would wait for ever else.
	GiveWayAfter = 5 * time.Minute
	GiveWayTime  = 30 * time.Second
	// LargerTime is how long a push that is larger than a whole worker waits for a larger
	// one that is there, which may be full for ever, once it is known to be. Then an empty
	// one takes it. What has left its room does not wait.
	LargerTime = time.Minute
	// keptEvery is how often a worker takes the task that it keeps its cores for. It comes
	// again in 1 to 1.5 s: in between other workers see it, where it may fit by now. The
	// store forgets after a lease, 3 s at least, who keeps for it.
	keptEvery = 2 * time.Second
	// loadEvery is how often a worker measures itself at most: renews that follow each
	// other at once would measure nothing.
	loadEvery = renewEvery / 2
)

// carried is what a worker's cores are counted with. It asks itself twice: before it
// takes from the queue, and when it is known what is done with a push's source.
type carried struct {
	capacity Capacity

	mu     sync.Mutex
	costs  map[Lease]Cost
	played map[Lease]bool // by leases that were found to fit
	kept   []*kept        // in the order in which they get the cores
	strain strain
}

// kept is a push that a worker keeps its cores for.
type kept struct {
	Task
	asked   time.Time // when the queue was asked for it, or had brought it
	missing bool      // the queue did not have it when it was asked last
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

// keep notes whether the cores are kept for t. What must go on gets them first.
func (c *carried) keep(t Task, yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.keptLocked(t)
	switch {
	case yes && i < 0:
		at := slices.IndexFunc(c.kept, func(k *kept) bool { return t.GoesOn && !k.GoesOn })
		if at < 0 {
			at = len(c.kept)
		}
		c.kept = slices.Insert(c.kept, at, &kept{Task: t, asked: time.Now()})
	case yes:
		c.kept[i].asked, c.kept[i].missing = time.Now(), false
	case i >= 0:
		c.kept = slices.Delete(c.kept, i, i+1)
	}
}

func (c *carried) keptLocked(t Task) int {
	return slices.IndexFunc(c.kept, func(k *kept) bool { return k.ID == t.ID && k.Epoch == t.Epoch })
}

// wanted returns a task whose turn it is to get the cores that are kept for it, and that
// was not here lately.
func (c *carried) wanted(goesOn bool) (Task, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !goesOn && c.strain.busy {
		return Task{}, false // it would be refused
	}
	for i, k := range c.kept {
		if k.GoesOn == goesOn && (i == 0 || goesOn) && time.Since(k.asked) >= keptEvery {
			k.asked = time.Now()
			return k.Task, true
		}
	}
	return Task{}, false
}

// missing keeps no cores for a task any more that was missing twice in a row: once it may
// be with a worker that refuses it just then.
func (c *carried) missing(t Task) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch i := c.keptLocked(t); {
	case i < 0:
	case c.kept[i].missing:
		c.kept = slices.Delete(c.kept, i, i+1)
	default:
		c.kept[i].missing = true
	}
}

// measure returns what this worker takes of its machine, measured now if it is time to;
// nil at the begin, and where nothing tells of cores.
func (w *Worker) measure() *Load {
	c, now := &w.carried, usage{at: time.Now()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.CPU == nil || now.at.Sub(c.strain.last.at) < loadEvery {
		return c.strain.load
	}
	now.used = w.CPU()
	switch {
	case !c.strain.look(now, c.capacity.Cores):
	case c.strain.busy:
		w.Log.Warn("nothing new is taken: the cores are used up", "cores", c.capacity.Cores)
	default:
		w.Log.Info("new pushes are taken again: the cores are not used up any more", "cores", c.capacity.Cores)
	}
	if l := c.strain.load; l != nil && w.Memory != nil {
		l.Limit = w.Memory.Limit()
		l.Memory, _ = w.Memory.Used() // memory.go logs why it cannot be read
	}
	return c.strain.load
}

// takes says whether a task may fit. Where cores are kept, nothing new takes them: what
// is free does not suffice for the first that they are kept for.
func (c *carried) takes(t Task) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch i := c.keptLocked(t); {
	case !t.GoesOn && c.strain.busy:
		return false
	case i == 0, i > 0 && t.GoesOn: // the store says whether it fits by now
		return true
	case !t.GoesOn && len(c.kept) > 0:
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
		Taken: p.Taken, Limit: p.Limit, Full: !c.takes(Task{}),
	}
}

// Cores returns what this worker tells of its cores; nil when none are counted.
func (w *Worker) Cores() *CapacityReport { return w.carried.report() }

// Takes says whether this worker has a slot and cores for one more push, one that must
// go on or a new one, and nothing keeps it from taking any. The queue asks before it
// takes a task.
func (w *Worker) Takes(goesOn bool) bool {
	return w.opens() && w.SlotsTaken() < w.Slots && w.carried.takes(Task{GoesOn: goesOn})
}

// Wanted returns a task that is to be taken from the queue now, before all others: this
// worker keeps its cores for it. The queue would bring it to any worker, and to this one
// perhaps never.
func (w *Worker) Wanted(goesOn bool) (Task, bool) {
	if !w.opens() || w.SlotsTaken() >= w.Slots {
		return Task{}, false
	}
	return w.carried.wanted(goesOn)
}

// Missing says that nothing comes from the queue of what Wanted returned: its push runs
// elsewhere or has ended, or the queue is paused.
func (w *Worker) Missing(t Task) { w.carried.missing(t) }

// fits says whether a, whose plan is known, may be played here. It is asked before
// its encoders and the room are opened.
func (w *Worker) fits(a *attempt) error {
	cost, capacity := a.cost(), w.carried.capacity
	// Of what is larger than this worker the store says where it runs, once it knows.
	unasked := capacity.larger(cost) && !capacity.larger(a.push.Cost)
	if unasked || !w.carried.fit(a.lease, cost) {
		a.log.Info("push does not fit", "cores", capacity.cores(cost), "taken", capacity.cores(w.carried.place(a.lease).Taken))
		return ErrCapacity
	}
	if limit := capacity.limit(); capacity.larger(cost) {
		a.Warned(media.WarnTooSlow, fmt.Sprintf("the push needs about %.1f cores, and this worker has %.1f for all pushes: it may be too slow for it; "+
			"a smaller width and height cost less, and a copied picture least", capacity.cores(cost), capacity.cores(limit)))
	}
	return nil
}

// cost is what a costs, as far as that is known.
func (a *attempt) cost() Cost {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.costLocked(0)
}

// costLocked is cost, with so much being sent; while nothing is, with what the attempt
// before has sent.
func (a *attempt) costLocked(sent media.BitsPerSecond) Cost {
	if a.plan == nil {
		return max(a.push.Cost, LeastCost)
	}
	if sent <= 0 {
		sent = lastProgress(a.push).Bitrate
	}
	return costOf(a.source, a.plan, a.push.Spec.Options.Video, sent)
}
