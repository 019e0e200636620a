package queue

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// asynq's names of the webhooks' queue and of its only kind of task.
const (
	QueueWebhook    = "webhook"
	WebhookTaskType = "webhook:deliver"
)

const (
	// webhookSlots is how many outboxes one worker empties at once: each waits for
	// a receiver, most of the time.
	webhookSlots = 32
	// webhookInterval is how often an idle server looks for a bell: sweepers ring
	// twice a second, and nobody waits for a webhook as for a push.
	webhookInterval = time.Second
	// webhookShutdown is how long deliveries may end by themselves, and then how
	// long they have to say that they were cut off.
	webhookShutdown = 500 * time.Millisecond
)

// EnqueueWebhooks rings for an outbox; adding what is there already is no
// error. Errors are *tasks.Error with CodeQueueUnavailable.
func (q *Queue) EnqueueWebhooks(ctx context.Context, t tasks.WebhookTask) error {
	payload, err := json.Marshal(t)
	if err != nil {
		return &tasks.Error{Code: tasks.CodeInternal, Msg: "the task could not be written", Err: err}
	}
	return q.enqueue(ctx, asynq.NewTask(WebhookTaskType, payload), TaskID(t.ID, t.N), QueueWebhook)
}

// WebhookServer takes the webhooks' tasks, apart from the pushes' and from their
// slots.
type WebhookServer struct {
	deliver func(ctx context.Context, t tasks.WebhookTask) error
	log     *slog.Logger
	asynq   *asynq.Server
	cancel  context.CancelCauseFunc // of the handlers' context
}

// NewWebhookServer returns a WebhookServer that gives tasks to deliver once
// started. Its context ends, with the cause media.ErrDraining, half a second after
// Shutdown is called; a returned error brings the task back after about one.
// rdb stays the caller's to close.
func NewWebhookServer(rdb redis.UniversalClient, deliver func(context.Context, tasks.WebhookTask) error, log *slog.Logger) *WebhookServer {
	s := &WebhookServer{deliver: deliver, log: log, cancel: func(error) {}}
	s.asynq = asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: webhookSlots, TaskCheckInterval: webhookInterval, DelayedTaskCheckInterval: delayedCheckInterval,
		Queues: map[string]int{QueueWebhook: 1}, RetryDelayFunc: delay, IsFailure: func(error) bool { return false },
		ShutdownTimeout: 2 * webhookShutdown, Logger: logger{log}, LogLevel: asynq.InfoLevel,
	})
	return s
}

// Start begins to take tasks and returns. It is called once.
func (s *WebhookServer) Start() (err error) {
	s.cancel, err = startServer(s.asynq, func(ctx, _ context.Context, task *asynq.Task) error {
		var t tasks.WebhookTask
		if err := json.Unmarshal(task.Payload(), &t); err != nil || task.Type() != WebhookTaskType || t.ID == "" {
			return errors.Join(errors.New("not a webhooks' task"), asynq.SkipRetry)
		}
		return s.deliver(ctx, t)
	})
	return err
}

// Stop takes no more tasks; running deliveries go on.
func (s *WebhookServer) Stop() { s.asynq.Stop() }

// Shutdown takes no more tasks, lets deliveries end by themselves for half a
// second, and cuts off the rest.
func (s *WebhookServer) Shutdown() {
	cut := time.AfterFunc(webhookShutdown, func() { s.cancel(media.ErrDraining) })
	s.asynq.Shutdown()
	cut.Stop()
	s.cancel(media.ErrDraining)
}
