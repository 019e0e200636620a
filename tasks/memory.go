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

// unfitTime is for how long a worker takes nothing new that had to give back an attempt
// for want of memory or processes: another worker is to take that.
const unfitTime = 15 * time.Second

// mostMemoryTries is how many attempts of a push that was in no room yet are given back
// for want of memory: behind them it is the source that asks for too much.
const mostMemoryTries = 10

const megabyte = 1 << 20

// ErrMemory is what Handle refuses a task with that another worker may take, and what
// an attempt is ended with for the same reason.
var ErrMemory = errors.New("this worker's memory is nearly used up")

// memoryState is what a worker has found out about its memory; guarded by Worker.mu.
type memoryState struct {
	short bool      // of memory
	unfit time.Time // when it had to give back an attempt for want of memory or processes
	blind bool      // its memory could not be read
}

// refusal says why nothing new is taken. What was prepared before is claimed all
// the same: its source is open, and viewers wait.
func (m *memoryState) refusal() error {
	if m.short || time.Since(m.unfit) < unfitTime {
		return ErrMemory
	}
	return nil
}

// watch looks at this worker's memory until ctx ends.
func (w *Worker) watch(ctx context.Context) {
	if w.Memory == nil || w.Memory.Limit() <= 0 {
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-time.After(w.lookAtMemory(&running)):
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
	case !w.memoryState.short && share > roomFor:
		w.memoryState.short = true
		w.askRenew()
		return true
	case w.memoryState.short && share < roomAgain:
		w.memoryState.short = false
		w.Log.Info("there is memory again: new pushes are taken")
	}
	return false
}

func (w *Worker) noteUnfit(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memoryState.unfit = at
	w.askRenew()
}

func (w *Worker) noteBlind(err error) {
	w.mu.Lock()
	was := w.memoryState.blind
	w.memoryState.blind = err != nil
	w.mu.Unlock()
	if err != nil && !was {
		w.Log.Error("memory cannot be watched", "error", err)
	}
}

// endYoungest ends the attempt that was begun last, of those that have not
// published for SettleTime, and waits until what it took is free. Beside others it is
// given back a few times: the memory may be theirs, as that of many long recordings at once.
func (w *Worker) endYoungest(used int64) {
	a := w.youngest(time.Now())
	if a == nil {
		return
	}
	a.log.Warn("attempt is ended: the worker's memory is running out", "used_mb", used/megabyte)
	why := media.ErrTooLarge
	if w.SlotsTaken() > 1 && (!a.push.StartedAt.IsZero() || a.lease.Epoch < mostMemoryTries) {
		why = ErrMemory
	}
	a.cancel(why)
	select {
	case <-a.done:
	case <-time.After(endingTime):
	}
	w.Memory.Free()
}

// young says whether the attempt is still opening, or has published for less
// than SettleTime.
func (a *attempt) young(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened.IsZero() || now.Sub(a.opened) < SettleTime
}
