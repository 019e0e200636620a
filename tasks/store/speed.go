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

// Speed returns the most that a core of machines of this name was measured to do in a
// second, and how long ago it was measured last; 0 when nobody has measured it. Errors
// are *tasks.Error with CodeRedisUnavailable.
func (s *Store) Speed(ctx context.Context, machine string) (speed tasks.Cost, age time.Duration, err error) {
	pipe := s.client.Pipeline()
	most, left := pipe.Get(ctx, keySpeed(machine)), pipe.PTTL(ctx, keySpeed(machine))
	switch _, err := pipe.Exec(ctx); {
	case errors.Is(err, redis.Nil):
		return 0, 0, nil
	case err != nil:
		return 0, 0, storeError(err)
	}
	n, err := most.Int64()
	return tasks.Cost(n), speedTTL - left.Val(), storeError(err)
}

// KeepSpeed keeps what was measured, or what was before if that is more: a machine
// that has other work seems slow.
func (s *Store) KeepSpeed(ctx context.Context, machine string, speed tasks.Cost) error {
	return storeError(s.scripts.speed.Run(ctx, s.client, []string{keySpeed(machine)}, int64(speed), speedTTL.Milliseconds()).Err())
}
