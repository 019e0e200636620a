// Package queue is the doorbell on asynq: a task says that attempt N of push P
// is due, and nothing else. asynq's own retries, leases and contexts are kept
// away from the media (ARCHITECTURE.md, "The queue").
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// TaskType is asynq's name of our only kind of task.
const TaskType = "push:run"

// The queues, in the order workers take from them.
const (
	QueueResume = "resume" // attempts that continue a push
	QueuePush   = "push"   // new pushes
)

const (
	// Without a time-out asynq puts 30 minutes (client.go, defaultTimeout).
	taskTimeout = 10 * 365 * 24 * time.Hour
	// MaxRetry is tested before IsFailure (processor.go, handleFailedMessage).
	taskMaxRetry = math.MaxInt32
)

// Queue rings the doorbell. It is safe for concurrent use.
type Queue struct {
	rdb redis.UniversalClient

	mu     sync.Mutex
	client *asynq.Client
	since  time.Time // client's begin
}

// clientTime is how long one of asynq's clients is used. It remembers that it has
// listed a queue in asynq:queues, which costs a round trip. Redis may have lost that
// list, on which asynq's page and our inspector go.
const clientTime = time.Second

var _ tasks.Queue = (*Queue)(nil)

// New returns a Queue on rdb, which stays the caller's to close.
func New(rdb redis.UniversalClient) *Queue {
	return &Queue{rdb: rdb}
}

// Declare makes asynq know the queues before their first task, so that its
// page shows them empty rather than as an error.
func Declare(ctx context.Context, rdb redis.UniversalClient) error {
	// asynq's own key (internal/base, AllQueues), written as its client does.
	if err := rdb.SAdd(ctx, "asynq:queues", QueueResume, QueuePush, QueueWebhook).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// TaskID names attempt epoch of push id in asynq: one attempt, one task.
func TaskID(id string, epoch int64) string {
	return id + "." + strconv.FormatInt(epoch, 10)
}

// Enqueue adds attempt t.Epoch of push t.ID; resume puts it before new pushes.
// Adding what is there already is no error. Errors are *tasks.Error with
// CodeQueueUnavailable.
func (q *Queue) Enqueue(ctx context.Context, t tasks.Task, resume bool) error {
	payload, err := json.Marshal(t)
	if err != nil {
		return &tasks.Error{Code: tasks.CodeInternal, Msg: "the task could not be written", Err: err}
	}
	name := QueuePush
	if resume {
		name = QueueResume
	}
	return q.enqueue(ctx, asynq.NewTask(TaskType, payload), TaskID(t.ID, t.Epoch), name)
}

// present returns asynq's client of now.
func (q *Queue) present() *asynq.Client {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now := time.Now(); q.client == nil || now.Sub(q.since) >= clientTime {
		q.client, q.since = asynq.NewClientFromRedisClient(waking{q.rdb}), now
	}
	return q.client
}

func (q *Queue) enqueue(ctx context.Context, task *asynq.Task, id, queue string) error {
	_, err := q.present().EnqueueContext(ctx, task, asynq.TaskID(id), asynq.Queue(queue),
		asynq.Timeout(taskTimeout), asynq.MaxRetry(taskMaxRetry))
	if err == nil || errors.Is(err, asynq.ErrTaskIDConflict) || errors.Is(err, asynq.ErrDuplicateTask) {
		return nil
	}
	return unavailable(err)
}
