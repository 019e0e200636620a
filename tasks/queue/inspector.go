package queue

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// Orphans looks at no more than orphanPages of orphanPage active tasks each in
// either queue.
const (
	orphanPage  = 500
	orphanPages = 10
)

// Inspector tells what the queues hold. It is safe for concurrent use. asynq's
// inspector takes no context; the client's time-outs bound it.
type Inspector struct {
	inspector *asynq.Inspector
}

var _ tasks.Inspector = (*Inspector)(nil)

// NewInspector returns an Inspector on rdb, which stays the caller's to close.
func NewInspector(rdb redis.UniversalClient) *Inspector {
	return &Inspector{inspector: asynq.NewInspectorFromRedisClient(rdb)}
}

// Waits says whether t's task waits for a worker in either queue: pending, or
// about to be tried again. A task that is active, ended or unknown does not.
// Errors are *tasks.Error with CodeQueueUnavailable.
func (i *Inspector) Waits(ctx context.Context, t tasks.Task) (bool, error) {
	for _, name := range []string{QueueResume, QueuePush} {
		if err := ctx.Err(); err != nil {
			return false, unavailable(err)
		}
		info, err := i.inspector.GetTaskInfo(name, TaskID(t.ID, t.Epoch))
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

// Orphans counts tasks that asynq calls active and whose lease in asynq is
// over, in both queues; of very many active tasks only the first 5000 each are
// looked at. Errors are *tasks.Error with CodeQueueUnavailable.
func (i *Inspector) Orphans(ctx context.Context) (int, error) {
	n := 0
	for _, name := range []string{QueueResume, QueuePush} {
		found, err := i.orphansIn(ctx, name)
		if err != nil {
			return 0, unavailable(err)
		}
		n += found
	}
	return n, nil
}

func (i *Inspector) orphansIn(ctx context.Context, name string) (n int, err error) {
	for page := 1; page <= orphanPages; page++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		active, err := i.inspector.ListActiveTasks(name, asynq.PageSize(orphanPage), asynq.Page(page))
		if errors.Is(err, asynq.ErrQueueNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		for _, task := range active {
			if task.IsOrphaned {
				n++
			}
		}
		if len(active) < orphanPage {
			break
		}
	}
	return n, nil
}

func unavailable(err error) error {
	return &tasks.Error{
		Code: tasks.CodeQueueUnavailable, Msg: "the queue cannot be reached; try again",
		Retryable: true, Err: err,
	}
}
