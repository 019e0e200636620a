package tasks

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Memory is what a worker knows of the memory that it may take.
type Memory interface {
	Limit() int64         // bytes; 0: there is none, and nothing is watched
	Used() (int64, error) // bytes of it that are taken
	Free()                // gives back what is taken and not needed
}

// What libav takes belongs to no attempt, so that age tells: what took the
// memory was most likely opened last.
const (
	// roomFor is the share of its memory from which on a worker takes no new
	// push, and roomAgain that from which on it does again.
	roomFor   = 0.70
	roomAgain = 0.65
	// tooFull is the share from which on attempts are ended, before the kernel
	// ends all.
	tooFull = 0.85
	// growth is how fast, in bytes a second, one hostile source may take memory:
	// a core writes new pages no faster. The next look comes before tooFull can
	// be reached, but see leastLook and mostLook.
	growth    = 2 << 30
	leastLook = 25 * time.Millisecond
	mostLook  = 250 * time.Millisecond
	// endingTime is how long an attempt that is ended may take to give its
	// memory back, before the next one is ended: as long as a stop may.
	endingTime = 200 * time.Millisecond
)

const (
	// maxStuck is how many calls that cannot be ended a worker bears: each may
	// have a core of its own.
	maxStuck = 4
	// wornLooks is how many looks in a row must find them: a machine that was
	// stopped for a while is not worn.
	wornLooks = 8
	// handOverAgain is when a push that could not be announced is tried again;
	// handOverPoll how often its heir is looked for, while it goes on here.
	handOverAgain = 5 * time.Second
	handOverPoll  = 250 * time.Millisecond
	// refusedAfter is how long a push is refused before it says so.
	refusedAfter = 5 * time.Second
)

const megabyte = 1 << 20

// What Handle refuses a task with that another worker may take.
var (
	ErrMemory = errors.New("this worker's memory is nearly used up")
	ErrWorn   = errors.New("this worker has sources that cannot be ended, and is to be started anew")
)

// guard is what a worker has found out about itself; guarded by Worker.mu.
type guard struct {
	short   bool // of memory
	blind   bool // its memory could not be read
	looks   int  // in a row that found too much stuck
	worn    bool // by what is stuck
	leaving map[*attempt]bool
	spent   chan struct{} // closed once it is worn and has no push
}

func newGuard() guard { return guard{leaving: map[*attempt]bool{}, spent: make(chan struct{})} }

// refusal says why nothing new is taken. What was prepared before is claimed all
// the same: its source is open, and viewers wait.
func (g *guard) refusal() error {
	switch {
	case g.worn:
		return ErrWorn
	case g.short:
		return ErrMemory
	}
	return nil
}

// Spent is closed when this worker has handed over all its pushes because of
// what is stuck in it: only a new process is rid of that.
func (w *Worker) Spent() <-chan struct{} { return w.guard.spent }

// watch looks at this worker itself until ctx ends.
func (w *Worker) watch(ctx context.Context) {
	memory := w.Memory != nil && w.Memory.Limit() > 0
	if !memory && w.Stuck == nil {
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		next := mostLook
		if w.Stuck != nil {
			w.lookAtStuck(ctx, &running)
		}
		if memory {
			next = w.lookAtMemory(&running)
		}
		select {
		case <-time.After(next):
		case <-ctx.Done():
			return
		}
	}
}

// lookAtMemory opens or closes this worker for new pushes, and ends at most one
// attempt. It returns when to look again.
func (w *Worker) lookAtMemory(running *sync.WaitGroup) time.Duration {
	used, err := w.Memory.Used()
	w.noteBlind(err)
	if err != nil {
		return mostLook
	}
	limit := w.Memory.Limit()
	share := float64(used) / float64(limit)
	if w.noteShort(share) {
		w.Log.Warn("memory is nearly used up: no new pushes", "used_mb", used/megabyte, "limit_mb", limit/megabyte)
		running.Go(w.Memory.Free) // some of it may be nobody's
		return leastLook
	}
	if share > tooFull {
		w.endYoungest(used)
		return leastLook
	}
	left := tooFull*float64(limit) - float64(used)
	return min(max(time.Duration(left/growth*float64(time.Second)), leastLook), mostLook)
}

// noteShort says whether the worker has just become short of memory.
func (w *Worker) noteShort(share float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.guard.short && share > roomFor:
		w.guard.short = true
		w.kickRenew()
		return true
	case w.guard.short && share < roomAgain:
		w.guard.short = false
		w.Log.Info("there is memory again: new pushes are taken")
	}
	return false
}

func (w *Worker) noteBlind(err error) {
	w.mu.Lock()
	was := w.guard.blind
	w.guard.blind = err != nil
	w.mu.Unlock()
	if err != nil && !was {
		w.Log.Error("memory cannot be watched", "error", err)
	}
}

// endYoungest ends the attempt that was begun last, of those that have not
// published for SettleTime, and waits until what it took is free.
func (w *Worker) endYoungest(used int64) {
	a := w.youngest(time.Now())
	if a == nil {
		return
	}
	a.log.Warn("attempt is ended: the worker's memory is running out", "used_mb", used/megabyte)
	a.cancel(media.ErrTooLarge)
	select {
	case <-a.done:
	case <-time.After(endingTime):
	}
	w.Memory.Free()
}

func (w *Worker) youngest(now time.Time) *attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	var last *attempt
	for _, all := range []map[string]*attempt{w.attempts, w.preparing} {
		for _, a := range all {
			if a.ctx.Err() == nil && a.young(now) && (last == nil || a.begun.After(last.begun)) {
				last = a
			}
		}
	}
	return last
}

// young says whether the attempt is still opening, or has published for less
// than SettleTime.
func (a *attempt) young(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened.IsZero() || now.Sub(a.opened) < SettleTime
}

// lookAtStuck closes this worker when too much is stuck in it, and hands its
// pushes over.
func (w *Worker) lookAtStuck(ctx context.Context, running *sync.WaitGroup) {
	stuck := w.Stuck()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.draining {
		return
	}
	was := w.guard.worn
	if w.guard.looks++; stuck < maxStuck {
		w.guard.looks = 0
	}
	w.guard.worn = w.guard.looks >= wornLooks
	switch {
	case !was && w.guard.worn:
		w.Log.Error("too many sources could not be ended: no new pushes, those that run are handed over", "stuck", stuck)
	case was && !w.guard.worn:
		w.Log.Info("sources that could not be ended have ended: new pushes are taken", "stuck", stuck)
	}
	if !w.guard.worn {
		return
	}
	if w.slots == 0 {
		w.spentLocked()
		return
	}
	for _, a := range w.attempts {
		if !w.guard.leaving[a] {
			w.guard.leaving[a] = true
			running.Go(func() { w.handOver(ctx, a) })
		}
	}
}

func (w *Worker) spentLocked() {
	select {
	case <-w.guard.spent:
	default:
		close(w.guard.spent)
	}
}

// handOver ends a here once it is prepared elsewhere, and never without: it can
// go on here. What was announced stays so, hence this goes on when the worker
// is not worn any more.
func (w *Worker) handOver(ctx context.Context, a *attempt) {
	defer w.stays(a)
	for a.ctx.Err() == nil {
		if w.Handovers != nil && a.publishes() && w.announce(ctx, a) {
			if heir := w.awaitHeir(ctx, a, handOverPoll); heir != "" {
				a.log.Info("push is being handed over", "heir", heir)
				a.cancel(media.ErrDraining)
				return
			}
		}
		select {
		case <-time.After(handOverAgain):
		case <-a.ctx.Done():
		case <-ctx.Done():
			return
		}
	}
}

func (w *Worker) stays(a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.guard.leaving, a)
}

// tellRefused notes in the record of a push why this worker does not take it.
func (w *Worker) tellRefused(ctx context.Context, t Task, why error) {
	var waiting Waiting
	switch {
	case errors.Is(why, ErrMemory):
		waiting = WaitingForMemory
	case errors.Is(why, ErrWorn):
		waiting = WaitingForRestart
	default:
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	if err := w.Places.Refused(ctx, t, refusedAfter, waiting); err != nil {
		w.Log.Warn("a push could not be told why it waits", "push_id", t.ID, "error", err)
	}
}
