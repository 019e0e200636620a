package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/hibiken/asynq"

	"github.com/roomcast/roomcast/tasks"
)

// Lengths tells what waits in each queue, those of pushes always among them.
// Errors are *tasks.Error with CodeQueueUnavailable.
func (b *Bells) Lengths(ctx context.Context) ([]tasks.QueueLength, error) {
	names, err := b.inspector.Queues()
	if err != nil {
		return nil, unavailable(err)
	}
	names = append(names, QueueResume, QueuePush)
	slices.Sort(names)
	var all []tasks.QueueLength
	for _, name := range slices.Compact(names) {
		if err := ctx.Err(); err != nil {
			return nil, unavailable(err)
		}
		info, err := b.inspector.GetQueueInfo(name)
		if errors.Is(err, asynq.ErrQueueNotFound) {
			info, err = &asynq.QueueInfo{}, nil
		}
		if err != nil {
			return nil, unavailable(err)
		}
		all = append(all, tasks.QueueLength{
			Queue: name, Waiting: info.Pending + info.Scheduled + info.Retry + info.Aggregating, Oldest: info.Latency,
		})
	}
	return all, nil
}
