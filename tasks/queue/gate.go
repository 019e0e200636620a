package queue

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// gate is a client with which a server finds a queue empty while its worker takes
// nothing of it: what waits there keeps its order, and other workers take it.
// asynq itself has no such question; it can only stop for good.
//
// What its worker wants it is given first.
//
// Between two looks it waits until a task comes, where asynq only sleeps.
//
// An outage of Redis does not end asynq's leases, which would leave pushes without
// their tasks: who owns a push is decided by our own.
type gate struct {
	redis.UniversalClient
	takes   func(resume bool) bool               // nil: it takes all
	wanted  func(resume bool) (tasks.Task, bool) // nil: nothing
	missing func(tasks.Task)
	outage  time.Duration // that leases survive
	idle    bool          // the last look found nothing; of asynq's one goroutine that looks
}

// EvalSha is eval: what asynq tries first.
func (g *gate) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return g.eval(ctx, g.UniversalClient.EvalSha, sha, keys, args)
}

// Eval is eval, where Redis does not know the script.
func (g *gate) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return g.eval(ctx, g.UniversalClient.Eval, script, keys, args)
}

// eval answers asynq's script that takes a task, known by the key that it looks
// at first (internal/rdb, dequeueCmd), as it does for an empty queue.
func (g *gate) eval(ctx context.Context, run func(context.Context, string, []string, ...any) *redis.Cmd, script string, keys []string, args []any) *redis.Cmd {
	queue := queueOf(keys, pausedKey)
	if queue == "" {
		return run(ctx, script, keys, g.forgiving(keys, args)...)
	}
	if queue == QueueResume && g.idle { // a look begins
		if err := g.wait(ctx); err != nil {
			return failed(ctx, err)
		}
	}
	cmd := g.takeWanted(ctx, queue, keys, args)
	if errors.Is(cmd.Err(), redis.Nil) && g.open(queue) {
		cmd = run(ctx, script, keys, args...)
	}
	g.idle = cmd.Err() != nil
	return cmd
}

// forgiving changes the question of asynq's script for tasks whose leases ended before a
// time (internal/rdb, listLeaseExpiredCmd): whoever has them may have been cut off. asynq
// gives them to others.
func (g *gate) forgiving(keys []string, args []any) []any {
	if len(keys) != 1 || keys[0] != leaseKey(QueueResume) && keys[0] != leaseKey(QueuePush) {
		return args
	}
	before, _ := args[0].(int64)
	return append([]any{before - int64(g.outage.Seconds())}, args[1:]...)
}

// ZAddXX extends asynq's leases. asynq believes that it did, and tries again in five
// seconds: else it ends its tasks when it could not for 30 s.
func (g *gate) ZAddXX(ctx context.Context, key string, members ...redis.Z) *redis.IntCmd {
	ctx, cancel := context.WithTimeout(ctx, extendTime)
	defer cancel()
	cmd := g.UniversalClient.ZAddXX(ctx, key, members...)
	cmd.SetErr(nil)
	return cmd
}

// takeWanted takes what the worker wants of a queue; redis.Nil: it wants nothing that is
// there.
func (g *gate) takeWanted(ctx context.Context, queue string, keys []string, args []any) *redis.Cmd {
	resume := queue == QueueResume
	for g.wanted != nil {
		t, wanted := g.wanted(resume)
		if !wanted {
			break
		}
		cmd := takeOne.Run(ctx, g.UniversalClient, append(keys[:len(keys):len(keys)], retryKey(queue)), append(args[:len(args):len(args)], TaskID(t.ID, t.Epoch))...)
		if !errors.Is(cmd.Err(), redis.Nil) {
			return cmd
		}
		g.missing(t)
	}
	return failed(ctx, redis.Nil)
}

// takeOne is asynq's script that takes a task (internal/rdb, dequeueCmd) for a certain
// one. Beside its arguments, KEYS[5] is where tasks wait to be tried again, and ARGV[3] the
// task's id.
var takeOne = redis.NewScript(`
local id = ARGV[3]
if redis.call('EXISTS', KEYS[2]) == 1 then return nil end
if redis.call('ZREM', KEYS[5], id) == 0 and redis.call('LREM', KEYS[1], 1, id) == 0 then return nil end
redis.call('LPUSH', KEYS[3], id)
redis.call('HSET', ARGV[2] .. id, 'state', 'active')
redis.call('HDEL', ARGV[2] .. id, 'pending_since')
redis.call('ZADD', KEYS[4], ARGV[1], id)
return redis.call('HGET', ARGV[2] .. id, 'msg')
`)

func failed(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	return cmd
}

func (g *gate) open(queue string) bool { return g.takes == nil || g.takes(queue == QueueResume) }

// wait waits until a task has come that is taken here, lookEvery at most.
func (g *gate) wait(ctx context.Context) error {
	blpop := []any{"blpop"}
	for _, q := range []string{QueueResume, QueuePush} {
		if g.open(q) {
			blpop = append(blpop, wakeKey(q))
		}
	}
	if len(blpop) == 1 { // other workers are to be woken
		rest(ctx)
		return nil
	}
	err := g.Do(ctx, append(blpop, lookEvery.Seconds())...).Err()
	if errors.Is(err, redis.Nil) { // nobody has come
		return nil
	}
	if _, answered := errors.AsType[redis.Error](err); answered { // an account may not wait: the look itself tells what is wrong
		rest(ctx)
		return nil
	}
	return err
}

// rest is what a server does that cannot wait in Redis.
func rest(ctx context.Context) {
	select {
	case <-time.After(lookEvery):
	case <-ctx.Done():
	}
}

// queueOf returns the queue of which asynq's script has such a key as its second; empty: it
// is another script.
func queueOf(keys []string, key func(queue string) string) string {
	for _, q := range []string{QueueResume, QueuePush} {
		if len(keys) > 1 && keys[1] == key(q) {
			return q
		}
	}
	return ""
}

// pausedKey is asynq's key of a queue that is paused (internal/base, PausedKey).
func pausedKey(queue string) string { return "asynq:{" + queue + "}:paused" }

// pendingKey is asynq's key of what waits in a queue (internal/base, PendingKey).
func pendingKey(queue string) string { return "asynq:{" + queue + "}:pending" }

// leaseKey is asynq's key of a queue's leases (internal/base, LeaseKey).
func leaseKey(queue string) string { return "asynq:{" + queue + "}:lease" }

// retryKey is asynq's key of what waits to be tried again (internal/base, RetryKey).
func retryKey(queue string) string { return "asynq:{" + queue + "}:retry" }
