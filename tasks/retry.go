package tasks

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// isAway says whether err is a store that cannot be reached.
func isAway(err error) bool { return CodeOf(err) == CodeRedisUnavailable }

// retryWhile calls f until it succeeds, fails with an error that again does
// not know, or ctx ends; it returns f's last error.
func retryWhile(ctx context.Context, again func(error) bool, f func() error) error {
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if last = f(); last != nil && !again(last) {
			return struct{}{}, backoff.Permanent(last)
		}
		return struct{}{}, last
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 500 * time.Millisecond,
	}), backoff.WithMaxElapsedTime(0))
	if err != nil && last != nil {
		return last
	}
	return err
}
