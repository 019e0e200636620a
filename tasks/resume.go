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

// warnResume is the code of a warning about resume records.
const warnResume = "resume_unavailable"

func (a *attempt) resumeTarget() ResumeTarget {
	s := a.push.Spec
	return ResumeTarget{Host: s.RedisHost, Port: s.RedisPort, Password: a.secrets.RedisPassword}
}

// resumeKeeper writes down once a second how far a source was played. Trouble
// with it never touches the picture: it shows as one warning, and another when
// it is over.
type resumeKeeper struct {
	store    ResumeStore
	attempt  *attempt
	troubled bool
}

func newResumeKeeper(s ResumeStore, a *attempt) *resumeKeeper {
	return &resumeKeeper{store: s, attempt: a}
}

// wanted says whether there is anything to keep: of a push with redis:true
// whose source is not live, once it publishes.
func (k *resumeKeeper) wanted() bool {
	a := k.attempt
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.push.Spec.Redis && !a.live && !a.started.IsZero()
}

func (k *resumeKeeper) run(ctx context.Context) {
	if !k.attempt.push.Spec.Redis {
		return
	}
	t := time.NewTicker(saveEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if k.wanted() {
				k.save(ctx, false)
			}
		case <-ctx.Done():
			return
		}
	}
}

// finish writes the last position; finished says that the source is over.
func (k *resumeKeeper) finish(finished bool) {
	if k.wanted() {
		k.save(context.Background(), finished)
	}
}

func (k *resumeKeeper) save(ctx context.Context, finished bool) {
	a := k.attempt
	now := time.Now()
	p := a.meter.Snapshot(now)
	limited, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	err := k.store.Save(limited, a.resumeTarget(), a.push.Spec.ResumeKey, ResumeRecord{
		Position: p.Position, Duration: p.Duration, PushID: a.lease.ID, UpdatedAt: now, Finished: finished,
	})
	switch {
	case err != nil && !k.troubled && ctx.Err() == nil:
		k.troubled = true
		a.Warned(warnResume, "the position could not be saved: "+resumeTrouble(err))
	case err == nil && k.troubled:
		k.troubled = false
		a.Warned("resume_restored", "the position is being saved again")
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
