package health

import (
	"context"
	"errors"

	"github.com/roomcast/roomcast/internal/redisconn"
)

// Redis checks that Redis takes our writes now, as writable says, and has not
// been set to evict keys since the process has started.
func Redis(client redisconn.Client, writable func(context.Context) error) Check {
	return Check{Name: "redis", Run: func(ctx context.Context) error {
		if err := writable(ctx); err != nil {
			return err
		}
		_, err := redisconn.CheckServer(ctx, client)
		if unfit, ok := errors.AsType[redisconn.Unfit](err); ok {
			return Finding{Code: "redis_unfit", Message: unfit.Error()}
		}
		return err
	}}
}
