package queue

import (
	"context"
	"slices"

	"github.com/roomcast/roomcast/tasks"
)

// Lengths tells what waits in each queue, those of pushes always among them.
// Errors are *tasks.Error with CodeQueueUnavailable.
func (i *Inspector) Lengths(ctx context.Context) ([]tasks.QueueLength, error) {
	there, err := i.inspector.Queues()
	if err != nil {
		return nil, unavailable(err)
	}
	names := slices.Concat(there, []string{QueueResume, QueuePush})
	slices.Sort(names)
	var all []tasks.QueueLength
	for _, name := range slices.Compact(names) {
		length := tasks.QueueLength{Queue: name}
		if slices.Contains(there, name) { // else nothing was ever put into it
			if err := ctx.Err(); err != nil {
				return nil, unavailable(err)
			}
			info, err := i.inspector.GetQueueInfo(name)
			if err != nil {
				return nil, unavailable(err)
			}
			length.Waiting, length.Oldest = info.Pending+info.Scheduled+info.Retry+info.Aggregating, info.Latency
		}
		all = append(all, length)
	}
	return all, nil
}
