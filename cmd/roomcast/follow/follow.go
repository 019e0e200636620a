package follow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/tasks"
)

const (
	// patience is how long the API may be away before a follower gives up.
	patience = 30 * time.Second
	// stopLimit bounds the request for a stop, and endLimit the wait for the
	// push's end after it.
	stopLimit = 10 * time.Second
	endLimit  = 30 * time.Second
)

// API is what a follower of one push asks, as client.Client answers it.
type API interface {
	WatchPush(ctx context.Context, id string) iter.Seq2[client.Message, error]
	Stop(ctx context.Context, id string) (client.Push, error)
}

// ErrInterrupted is returned by Watch when its context ended first.
var ErrInterrupted = errors.New("interrupted")

// Watch shows the push until it has ended or ctx ends, and returns it as it was
// last. What to make of its end says FailureOf.
func Watch(ctx context.Context, api API, id string, v View) (client.Push, error) {
	defer v.Close()
	return watch(ctx, api, id, v)
}

func watch(ctx context.Context, api API, id string, v View) (client.Push, error) {
	var last client.Push
	var away absence
	for m, err := range api.WatchPush(ctx, id) {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if away.tooLong(err, v.Say) {
				return last, err
			}
			continue
		}
		away = absence{}
		if m.Reset != nil {
			v.Say(m.Reset.Message)
		}
		if u, ok := of(id, last, m); ok {
			last = u.Push
			v.Show(u)
		}
		if last.State.Terminal() {
			return last, nil
		}
	}
	if ctx.Err() != nil {
		return last, ErrInterrupted
	}
	return last, fmt.Errorf("the API tells nothing more of push %s", id)
}

// of returns how the push is after a message; ok is false if it says nothing of
// it.
func of(id string, p client.Push, m client.Message) (u Update, ok bool) {
	switch {
	case m.Snapshot != nil:
		for _, now := range m.Snapshot.Pushes {
			if now.ID == id {
				return Update{Push: now, Whole: true}, true
			}
		}
	case m.Event != nil && m.Event.PushID == id:
		if m.Event.Push != nil {
			p = *m.Event.Push
		}
		return Update{Push: p, Event: m.Event}, true
	case m.Progress != nil && m.Progress.PushID == id:
		p.State, p.Progress, p.Trouble = m.Progress.State, m.Progress.Progress, m.Progress.Trouble
		return Update{Push: p}, true
	}
	return Update{}, false
}

// absence is since when the API has not answered; zero: it does.
type absence struct{ since time.Time }

// tooLong says whether it is to be waited for no more. The first error of an
// absence is said.
func (a *absence) tooLong(err error, say func(string)) bool {
	if e, ok := errors.AsType[*client.Error](err); ok && e.Refused() {
		return true
	}
	if a.since.IsZero() {
		a.since = time.Now()
		say(err.Error())
	}
	return time.Since(a.since) > patience
}

// Run is Watch for who started the push: when ctx ends it stops the push, says
// so and waits for its end.
func Run(ctx context.Context, api API, id string, v View) (client.Push, error) {
	defer v.Close()
	p, err := watch(ctx, api, id, v)
	if !errors.Is(err, ErrInterrupted) {
		return p, err
	}
	v.Say("stopping push " + id + "; again to leave at once")
	return stop(context.WithoutCancel(ctx), api, id, v)
}

func stop(ctx context.Context, api API, id string, v View) (client.Push, error) {
	asking, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	p, err := api.Stop(asking, id)
	if err != nil {
		return p, fmt.Errorf("the push may still run: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, endLimit)
	defer cancel()
	p, err = watch(waiting, api, id, v)
	if errors.Is(err, ErrInterrupted) {
		return p, fmt.Errorf("the stop is recorded, but push %s has not ended in %v", id, endLimit)
	}
	return p, err
}

// FailureOf is the error that a push's end amounts to: nil unless it failed.
func FailureOf(p client.Push) error {
	if p.State != tasks.Failed {
		return nil
	}
	if p.Error == nil {
		return errors.New("the push failed")
	}
	text := fmt.Sprintf("the push failed: %s [%s]", p.Error.Message, p.Error.Code)
	if p.Error.Retryable {
		text += "; trying again may help"
	}
	return errors.New(client.Printable(text))
}
