package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// speedTTL is how long a measured speed stays: machines and versions come and go.
const speedTTL = 90 * 24 * time.Hour

// Speed returns what a core of machines of this name was measured to do in a second,
// 0 when nobody has measured it. Errors are *tasks.Error with CodeRedisUnavailable.
func (s *Store) Speed(ctx context.Context, machine string) (tasks.Cost, error) {
	n, err := s.client.Get(ctx, keySpeed(machine)).Int64()
	switch {
	case errors.Is(err, redis.Nil):
		return 0, nil
	case err != nil:
		return 0, storeError(err)
	}
	return tasks.Cost(n), nil
}

// KeepSpeed keeps what was measured.
func (s *Store) KeepSpeed(ctx context.Context, machine string, speed tasks.Cost) error {
	return storeError(s.client.Set(ctx, keySpeed(machine), int64(speed), speedTTL).Err())
}
