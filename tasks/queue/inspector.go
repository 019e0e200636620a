package queue

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// Inspector tells what the queues hold. It is safe for concurrent use. asynq's
// inspector takes no context; the client's time-outs bound it.
type Inspector struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
}

var _ tasks.Inspector = (*Inspector)(nil)

// NewInspector returns an Inspector on rdb, which stays the caller's to close.
func NewInspector(rdb redis.UniversalClient) *Inspector {
	return &Inspector{rdb: rdb, inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// Waits says whether t's task waits for a worker in either queue: pending, or
// about to be tried again. A task that is active, ended or unknown does not.
// Errors are *tasks.Error with CodeQueueUnavailable.
func (i *Inspector) Waits(ctx context.Context, t tasks.Task) (bool, error) {
	for _, name := range []string{QueuePush, QueueResume} { // where thousands wait, they are new
		if err := ctx.Err(); err != nil {
			return false, unavailable(err)
		}
		info, err := i.inspector.GetTaskInfo(name, TaskID(t.ID, t.Epoch))
		if errors.Is(err, asynq.ErrQueueNotFound) { // Redis has lost the list of queues; the task may be there
			if err := Declare(ctx, i.rdb); err != nil {
				return false, err
			}
			info, err = i.inspector.GetTaskInfo(name, TaskID(t.ID, t.Epoch))
		}
		switch {
		case errors.Is(err, asynq.ErrQueueNotFound), errors.Is(err, asynq.ErrTaskNotFound):
		case err != nil:
			return false, unavailable(err)
		case waits(info.State):
			return true, nil
		}
	}
	return false, nil
}

func waits(s asynq.TaskState) bool {
	switch s {
	case asynq.TaskStatePending, asynq.TaskStateScheduled, asynq.TaskStateRetry, asynq.TaskStateAggregating:
		return true
	case asynq.TaskStateActive, asynq.TaskStateArchived, asynq.TaskStateCompleted:
	}
	return false
}

func unavailable(err error) error {
	return &tasks.Error{
		Code: tasks.CodeQueueUnavailable, Msg: "the queue cannot be reached; try again",
		Retryable: true, Err: err,
	}
}
