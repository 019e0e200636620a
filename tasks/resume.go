package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
)

// saveEvery is how often a resume record is written.
const saveEvery = time.Second

// saveTime bounds one write of a resume record.
const saveTime = 2 * time.Second

func (a *attempt) resumeTarget() ResumeTarget {
	s := a.push.Spec
	return ResumeTarget{Host: s.RedisHost, Port: s.RedisPort, Password: a.secrets.RedisPassword}
}

// resumeKeeper writes down once a second how far a source was played. Trouble
// with it never touches the picture: it shows as one warning, and another when
// it is over.
type resumeKeeper struct {
	store   ResumeStore
	attempt *attempt
	lease   time.Duration
	since   time.Time // the worker's begin
	failing bool
}

func newResumeKeeper(w *Worker, a *attempt) *resumeKeeper {
	return &resumeKeeper{store: w.Resume, attempt: a, lease: w.Lease, since: w.since}
}

// wanted says whether there is anything to keep: of a push with redis:true
// whose source has an end, once it publishes, and while the push is ours. An
// attempt without a fresh lease may have a successor, whose record it is.
func (k *resumeKeeper) wanted() bool {
	a := k.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	recorded := a.push.Spec.Redis && a.source != nil && !a.live && !a.started.IsZero()
	return recorded && time.Since(a.renewed) < k.lease && !errors.Is(context.Cause(a.ctx), media.ErrLost)
}

func (k *resumeKeeper) run(ctx context.Context) {
	if !k.attempt.push.Spec.Redis {
		return
	}
	t := time.NewTimer(untilTick(time.Now(), k.since))
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if k.wanted() {
				k.save(ctx, false)
			}
			t.Reset(untilTick(time.Now(), k.since))
		case <-ctx.Done():
			return
		}
	}
}

// untilTick is how long it is to the next save: all pushes of a worker, which began
// at since, save at the same moment, so that the store may write them in one go.
func untilTick(now, since time.Time) time.Duration { return saveEvery - now.Sub(since)%saveEvery }

// finishTime is how long the end of an attempt waits for its last position.
const finishTime = 200 * time.Millisecond

// finish writes the last position; finished says that the source is over. A
// server that hangs is not waited for: the returned channel is closed when the
// write is done with.
func (k *resumeKeeper) finish(finished bool) <-chan struct{} {
	done := make(chan struct{})
	if !k.wanted() {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		k.save(context.Background(), finished)
	}()
	select {
	case <-done:
	case <-time.After(finishTime):
	}
	return done
}

func (k *resumeKeeper) save(ctx context.Context, finished bool) {
	a := k.attempt
	now := time.Now()
	p := a.meter.Snapshot(now)
	limited, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	err := k.store.Save(limited, a.resumeTarget(), a.push.Spec.ResumeKey, ResumeRecord{
		Position: p.Position, Duration: p.Duration, Unclocked: p.Unclocked, PushID: a.lease.ID, UpdatedAt: now, Finished: finished,
	})
	switch {
	case err != nil && !k.failing && ctx.Err() == nil:
		k.failing = true
		a.Warned(WarnResume, "the position could not be saved: "+resumeTrouble(err))
	case err == nil && k.failing:
		k.failing = false
		a.Warned(WarnResumeRestored, "the position is being saved again")
	}
}

// resumeTrouble says in words that show nothing of a stranger's server what
// was wrong with it.
func resumeTrouble(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Msg
	}
	return "its Redis did not answer"
}

var _ media.Observer = (*attempt)(nil)
