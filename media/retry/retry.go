package retry

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/roomcast/roomcast/media"
)

// Settled is how long packets must have flowed for a failure to be tried again
// as the first one.
const Settled = 10 * time.Second

// side is whose trouble a failure is. Each has patience of its own: a source
// is not waited for the less because the room was away just before, nor a name
// in use because the connection had broken.
type side int

const (
	SourceSide side = iota
	roomSide
	NameSide
	sides
)

func sideOf(k media.Kind) side {
	switch {
	case k == media.KindRoomConflict:
		return NameSide
	case k.OfRoom():
		return roomSide
	default:
		return SourceSide
	}
}

// Retries is where one attempt stands in trying again. Once packets have flowed
// for a while, or a side has been told to work, its patience begins anew; its
// waits go on growing until packets have flowed.
type Retries struct {
	policy   media.RetryPolicy
	troubles [sides]trouble
	flowing  time.Time // first packet after the last failure
}

// trouble is one side's.
type trouble struct {
	since time.Time                   // first failure; zero in good times
	wait  *backoff.ExponentialBackOff // nil in good times that have lasted
}

func New(policy media.RetryPolicy) *Retries { return &Retries{policy: policy} }

// Next returns how long to wait before trying again after an error of kind k,
// or false when that is over.
func (r *Retries) Next(k media.Kind) (time.Duration, bool) {
	retry, t := r.policy(k), &r.troubles[sideOf(k)]
	now := time.Now()
	if t.since.IsZero() {
		t.since = now
	}
	first := t.wait == nil
	if first {
		t.wait = &backoff.ExponentialBackOff{
			InitialInterval: max(retry.First, time.Millisecond), RandomizationFactor: 0.3,
			Multiplier: 2, MaxInterval: max(retry.Max, time.Millisecond),
		}
		t.wait.Reset()
	}
	r.flowing = time.Time{}
	if now.Sub(t.since) >= retry.For {
		return 0, false
	}
	if first && retry.AtOnce {
		return 0, true
	}
	return min(t.wait.NextBackOff(), t.wait.MaxInterval, retry.For-now.Sub(t.since)), true
}

// Until is when an error of kind k is given up, unless something works before.
func (r *Retries) Until(k media.Kind) time.Time {
	return r.troubles[sideOf(k)].since.Add(r.policy(k).For)
}

// Works gives a side all of its patience for the next failure.
func (r *Retries) Works(s side) { r.troubles[s].since = time.Time{} }

// Sent notes that a packet reached the room.
func (r *Retries) Sent(now time.Time) {
	if r.troubles == [sides]trouble{} {
		return
	}
	if r.flowing.IsZero() {
		r.flowing = now
	}
	if now.Sub(r.flowing) >= Settled {
		r.troubles = [sides]trouble{}
	}
}

func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
