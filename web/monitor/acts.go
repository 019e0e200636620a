package monitor

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/hibiken/asynq"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/web/problem"
)

// pageSize is how many tasks are listed at once.
const pageSize = 1000

// attempt takes a task's id, `<push id>.<epoch>`, apart; not ok means that the
// task is not ours.
func attempt(taskID string) (id string, epoch int64, ok bool) {
	i := strings.LastIndexByte(taskID, '.')
	if i < 1 {
		return "", 0, false
	}
	epoch, err := strconv.ParseInt(taskID[i+1:], 10, 64)
	if err != nil || epoch < 1 || strconv.FormatInt(epoch, 10) != taskID[i+1:] {
		return "", 0, false
	}
	return taskID[:i], epoch, true
}

// cancel stops the push whose attempt the task is. Its epoch does not count:
// who cancels a running attempt wants the push to end, whoever runs it by now.
func (b *buttons) cancel(ctx context.Context, _, taskID string) error {
	id, _, ok := attempt(taskID)
	if !ok {
		return &tasks.Error{Code: tasks.CodeNotFound, Msg: "this task belongs to no push of Roomcast, so there is nothing to stop"}
	}
	_, err := b.pushes.Stop(ctx, id)
	return err
}

// discard stops the push that waits for the task, then removes the task. The
// other way round, a push could be left without its doorbell.
func (b *buttons) discard(ctx context.Context, queue, taskID string) error {
	stopped, err := b.stopWaiting(ctx, taskID)
	if err != nil {
		return err
	}
	err = b.inspector.DeleteTask(queue, taskID)
	if err == nil || stopped || gone(err) {
		return nil // whoever takes the task of a stopped push finds it stopped
	}
	return &tasks.Error{
		Code: tasks.CodeQueueUnavailable, Msg: "the task could not be removed; it may be running by now, or the queue cannot be reached",
		Retryable: true, Err: err,
	}
}

// stopWaiting stops the push that waits for the task. Nobody waits for the
// task of a push that has ended, or of an attempt that was taken over: asynq
// offers the latter again after a crash, while the push goes on elsewhere.
func (b *buttons) stopWaiting(ctx context.Context, taskID string) (stopped bool, err error) {
	id, epoch, ok := attempt(taskID)
	if !ok {
		return false, nil
	}
	p, err := b.pushes.Get(ctx, id)
	switch {
	case tasks.CodeOf(err) == tasks.CodeNotFound:
		return false, nil
	case err != nil:
		return false, err
	case p.State.Terminal() || epoch < p.Epoch:
		return false, nil
	}
	_, err = b.pushes.Stop(ctx, id)
	return err == nil, err
}

// each does do to every task, and returns the first error. While the store is
// away it does not try the rest.
func each(ctx context.Context, queue string, taskIDs []string, do act) (done, failed []string, first error) {
	done, failed = []string{}, []string{} // the page cannot read null
	for i, id := range taskIDs {
		err := do(ctx, queue, id)
		if err == nil {
			done = append(done, id)
			continue
		}
		if first == nil {
			first = err
		}
		if tasks.CodeOf(err) == tasks.CodeRedisUnavailable {
			return done, append(failed, taskIDs[i:]...), first
		}
		failed = append(failed, id)
	}
	return done, failed, first
}

// listed returns the ids that list has now.
func listed(list lister, queue string) ([]string, error) {
	var ids []string
	for page := 1; ; page++ {
		infos, err := list(queue, asynq.PageSize(pageSize), asynq.Page(page))
		switch {
		case gone(err):
			return nil, &tasks.Error{Code: problem.CodeNoRoute, Msg: "there is no such queue", Err: err}
		case err != nil:
			return nil, &tasks.Error{Code: tasks.CodeQueueUnavailable, Msg: "the queue cannot be reached; try again", Retryable: true, Err: err}
		}
		for _, t := range infos {
			ids = append(ids, t.ID)
		}
		if len(infos) < pageSize {
			return ids, nil
		}
	}
}

func gone(err error) bool {
	return errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound)
}
