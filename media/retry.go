package media

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Retry says how often an error is tried again. The zero value is: never.
type Retry struct {
	// AtOnce puts one try without any wait before the others.
	AtOnce bool
	First  time.Duration // the first wait; later ones double, with jitter
	Max    time.Duration // the longest wait
	For    time.Duration // how long in all, counted from the first failure
}

// RetryPolicy says how an error of a kind is tried again.
type RetryPolicy func(Kind) Retry

// settled is how long packets must have flowed for a failure to count as a new
// one.
const settled = 10 * time.Second

// retries is where one attempt stands in trying again.
type retries struct {
	policy  RetryPolicy
	since   time.Time // first failure of the present trouble; zero in good times
	flowing time.Time // first packet after the last failure
	wait    *backoff.ExponentialBackOff
}

func newRetries(policy RetryPolicy) *retries { return &retries{policy: policy} }

// next returns how long to wait before trying again after an error of kind k,
// or false when that is over.
func (r *retries) next(k Kind) (time.Duration, bool) {
	retry := r.policy(k)
	now := time.Now()
	first := r.since.IsZero()
	if first {
		r.since = now
		r.wait = &backoff.ExponentialBackOff{
			InitialInterval: max(retry.First, time.Millisecond), RandomizationFactor: 0.3,
			Multiplier: 2, MaxInterval: max(retry.Max, time.Millisecond),
		}
		r.wait.Reset()
	}
	r.flowing = time.Time{}
	if now.Sub(r.since) >= retry.For {
		return 0, false
	}
	if first && retry.AtOnce {
		return 0, true
	}
	return min(r.wait.NextBackOff(), retry.For-now.Sub(r.since)), true
}

// sent notes that a packet reached the room.
func (r *retries) sent(now time.Time) {
	if r.since.IsZero() {
		return
	}
	if r.flowing.IsZero() {
		r.flowing = now
	}
	if now.Sub(r.flowing) >= settled {
		r.since = time.Time{}
	}
}
