package follow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/tasks"
)

const (
	pollEvery = 500 * time.Millisecond
	// patience is how long the API may be away before a follower gives up.
	patience = 30 * time.Second
	// stopLimit bounds the request for a stop, and endLimit the wait for the
	// push's end after it.
	stopLimit = 10 * time.Second
	endLimit  = 30 * time.Second
)

// API is what a follower asks. Its errors are *client.Error.
type API interface {
	Get(ctx context.Context, id string) (client.Push, error)
	Stop(ctx context.Context, id string) (client.Push, error)
}

// ErrInterrupted is returned by Watch when its context ended first.
var ErrInterrupted = errors.New("interrupted")

// Watch shows the push until it has ended or ctx ends, and returns it as it was
// last. What to make of its end says Verdict.
func Watch(ctx context.Context, api API, id string, v View) (client.Push, error) {
	defer v.Close()
	return watch(ctx, api, id, v)
}

func watch(ctx context.Context, api API, id string, v View) (client.Push, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last client.Push
	var away time.Time // since when the API has not answered
	for {
		p, err := api.Get(ctx, id)
		switch {
		case ctx.Err() != nil:
			return last, ErrInterrupted
		case err == nil:
			last, away = p, time.Time{}
			v.Show(p)
			if p.State.Terminal() {
				return p, nil
			}
		case away.IsZero() && !refused(err):
			away = time.Now()
			v.Say(err.Error())
		case refused(err) || time.Since(away) > patience:
			return last, err
		}
		select {
		case <-ctx.Done():
			return last, ErrInterrupted
		case <-tick.C:
		}
	}
}

func refused(err error) bool {
	e, ok := errors.AsType[*client.Error](err)
	return ok && e.Refused()
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

// Verdict is the error that a push's end amounts to: nil unless it failed.
func Verdict(p client.Push) error {
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
