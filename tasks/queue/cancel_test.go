package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/require"
)

func TestOnlyACancelFromOutsideCountsAsOne(t *testing.T) {
	running := context.Background()
	cancelled, cancel := context.WithCancel(running)
	cancel()
	late, cancelLate := context.WithDeadline(running, time.Unix(0, 0))
	defer cancelLate()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want bool
	}{
		"a cancel in the UI":                              {cancelled, context.Canceled, true},
		"a cancel in the UI as the handler fails":         {cancelled, errors.New("x"), true},
		"a lost lease":                                    {cancelled, asynq.ErrLeaseExpired, false},
		"a deadline":                                      {late, context.DeadlineExceeded, false},
		"a handler's error":                               {running, errors.New("x"), false},
		"a handler's error about a context of its own":    {running, context.Canceled, false},
		"a malformed payload in a task that goes on fine": {running, asynq.SkipRetry, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, cancelledFromOutside(c.ctx, c.err))
		})
	}
}
