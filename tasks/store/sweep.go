package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

const (
	trimEvery = 30 * time.Second
	trimLimit = 200
	// trimRounds bounds one Trim: 4000 pushes that have ended, 133 a second.
	trimRounds = 20
	// longestGrace is the longest grace that Defer is called with.
	longestGrace = 10 * time.Second
	// mostQueued is how many queued pushes a look reads: most of them only wait, and every
	// worker and API has a sweeper that looks.
	mostQueued = 200
	// leastJump is the least difference of clocks that counts.
	leastJump = 500 * time.Millisecond
)

// Expired lists pushes whose lease, or whose grace while queued, is over by
// Redis time, at most limit: first those that a worker held, then mostQueued queued
// ones, of each the longest expired first. Entries without a
// push that could go on are dropped on the way. When the clock of Redis has
// jumped since the last call, so that leases look older or younger than they
// are, it returns CodeRedisUnavailable once.
func (s *Store) Expired(ctx context.Context, limit int) ([]tasks.Expired, error) {
	found, err := s.overdue(ctx, limit)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	records, err := s.records(ctx, ids)
	if err != nil {
		return nil, err
	}
	kept := found[:0]
	for i, e := range found {
		e.Push, e.Damage = readPush(e.ID, records[i])
		if len(records[i]) == 0 || e.Push.State.Terminal() {
			if err := s.forget(ctx, e.ID); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, e)
	}
	return kept, nil
}

// overdue lists the ids and lease ends of what is expired.
func (s *Store) overdue(ctx context.Context, limit int) ([]tasks.Expired, error) {
	longest := max(s.cfg.Lease, s.cfg.Grace, longestGrace)
	begin := time.Now()
	list, err := s.scripts.expired.Run(ctx, s.client, []string{keyLive, keyQueued},
		2*longest.Milliseconds(), longest.Milliseconds(), limit, mostQueued).StringSlice()
	if err != nil {
		return nil, storeError(err)
	}
	if len(list) == 0 {
		return nil, internal("a script of the store answered nothing", nil)
	}
	run, list := list[0], list[1:]
	numbers, err := evenNumbers(list)
	if err != nil {
		return nil, err
	}
	if s.clock.restarted(run) {
		return nil, &tasks.Error{Code: tasks.CodeRedisUnavailable, Msg: "Redis was restarted, or another server took over", Retryable: true}
	}
	if jump := s.clock.jump(begin, time.Now(), time.UnixMilli(numbers[0])); jump > max(s.cfg.Lease/3, leastJump) {
		return nil, &tasks.Error{
			Code: tasks.CodeRedisUnavailable, Msg: "the clock of Redis has jumped by " + jump.String(), Retryable: true,
		}
	}
	var found []tasks.Expired
	for i := 1; i+1 < len(list); i += 2 {
		found = append(found, tasks.Expired{ID: list[i], Expiry: numbers[i+1]})
	}
	return found[:min(limit, len(found))], nil
}

// evenNumbers reads now and, after each id, the end of its lease; the ids in
// between stay 0.
func evenNumbers(list []string) ([]int64, error) {
	if len(list) == 0 {
		return nil, internal("a script of the store answered nothing", nil)
	}
	numbers := make([]int64, len(list))
	for i := 0; i < len(list); i += 2 {
		n, err := strconv.ParseFloat(list[i], 64)
		if err != nil {
			return nil, internal("a lease is not a number", err)
		}
		numbers[i] = int64(n)
	}
	return numbers, nil
}

func (s *Store) forget(ctx context.Context, id string) error {
	_, err := s.run(ctx, s.scripts.forget, []string{keyLive, keyPush(id), keyActive}, id)
	return err
}

// Takeover moves an expired push to Queued under the next epoch, ends it as
// Stopped when desired=stop, or as Failed when a push that was held gets its
// last strike. A push that is queued already gets the next epoch and no
// strike: its task was lost. One with Damage ends as Failed. It returns ErrHeld when the lease has changed
// since it was seen, ErrEnded or ErrGone when there is nothing to take.
func (s *Store) Takeover(ctx context.Context, e tasks.Expired) (tasks.Taken, error) {
	var failures flat
	err := errors.Join(failures.addJSON(fieldFailure, tasks.Poisoned()), failures.addJSON(fieldFailure, tasks.Damaged()))
	if err != nil {
		return tasks.Taken{}, err
	}
	o, damaged := ownerOf(e.Push.Spec), ""
	if e.Damage != nil {
		damaged = failures[3]
		if o, err = s.owner(ctx, e.ID); err != nil {
			return tasks.Taken{}, err
		}
	}
	keys := append(pushKeys(e.ID, o), keyWorkers)
	r, err := s.do(ctx, s.scripts.takeover, keys,
		e.ID, s.cfg.Retention.Milliseconds(), s.cfg.Grace.Milliseconds(), e.Expiry,
		rand.Text(), tasks.MaxStrikes, failures[1], s.announcedGrace().Milliseconds(), damaged)
	if err != nil {
		return tasks.Taken{}, err
	}
	if len(r.values) < 2 {
		return tasks.Taken{}, refusal(r)
	}
	next, err := epochOf(r.values[1])
	return tasks.Taken{State: tasks.State(r.first()), Next: next}, err
}

// Defer sets a queued push's next check to after grace from now and notes why
// it waits, as the fleet tells; ErrHeld when it has changed since it was seen.
func (s *Store) Defer(ctx context.Context, e tasks.Expired, grace time.Duration) error {
	_, err := s.do(ctx, s.scripts.deferred, []string{keyQueued, keyPush(e.ID), keyHistory(e.ID), keySecret(e.ID), keyWorkers, keyFleet, keyActive},
		e.ID, grace.Milliseconds(), e.Expiry, tasks.IsolationStrikes)
	return err
}

// Trim takes pushes whose records have expired out of the indexes, at most a few
// thousand a call. Create and List call it now and then.
func (s *Store) Trim(ctx context.Context) error {
	for range trimRounds {
		if n, err := s.trim(ctx); err != nil || n < trimLimit {
			return err
		}
	}
	return nil
}

// trim is one round of Trim; it returns how many it took out.
func (s *Store) trim(ctx context.Context) (int, error) {
	due, err := s.scripts.due.Run(ctx, s.client, []string{keyEnded}, trimLimit).StringSlice()
	if err != nil || len(due) == 0 {
		return 0, storeError(err)
	}
	pipe := s.client.Pipeline()
	for _, member := range due {
		var parts [5]string // id, state, app, room, user
		if json.Unmarshal([]byte(member), &parts) == nil {
			id := parts[0]
			for _, index := range []string{
				keyAll, keyState(tasks.State(parts[1])), keyApp(parts[2]), keyRoom(parts[3]), keyUserIndex(parts[4]),
			} {
				pipe.ZRem(ctx, index, id)
			}
		}
		pipe.ZRem(ctx, keyEnded, member)
	}
	_, err = pipe.Exec(ctx)
	return len(due), storeError(err)
}

// trimSometimes trims if this process has not done so lately. It is
// housekeeping: the next call makes up for one that failed.
func (s *Store) trimSometimes(ctx context.Context) {
	last, now := s.lastTrim.Load(), time.Now().UnixMilli()
	if now-last >= trimEvery.Milliseconds() && s.lastTrim.CompareAndSwap(last, now) {
		_ = s.Trim(ctx)
	}
}
