package redisconn

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo sends go-redis's own lines (connections that cannot be made, changes
// of a Sentinel's master) to log, as warnings. go-redis has one logger for the
// whole process: only a main calls this, once, before New.
func LogTo(log *slog.Logger) { redis.SetLogger(logger{log}) }

type logger struct{ log *slog.Logger }

// Printf implements go-redis's logger.
func (l logger) Printf(ctx context.Context, format string, args ...any) {
	l.log.WarnContext(ctx, "redis client", "text", fmt.Sprintf(format, args...))
}
