package store

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// censusBatch is how many pushes are looked at in one round trip: less than a
// millisecond of Redis's time.
const censusBatch = 500

// Census counts all pushes, those that have ended and are still recorded too. It
// reads a few fields of each active one, and is not one moment's: what changes
// meanwhile may be counted before or after.
func (s *Store) Census(ctx context.Context) (tasks.Census, error) {
	c := tasks.Census{Pushes: map[tasks.State]int{}, Troubles: map[tasks.TroubleKind]tasks.Troubled{}}
	fleet, err := s.Fleet(ctx, "")
	if err != nil {
		return c, err
	}
	c.Workers = len(fleet.Workers)
	c.Used, c.Free = fleet.Cores()
	pipe := s.client.Pipeline()
	now, active := pipe.Time(ctx), pipe.ZRange(ctx, keyActive, 0, -1)
	ended := map[tasks.State]*redis.IntCmd{}
	for _, state := range tasks.States() {
		c.Pushes[state] = 0
		if state.Terminal() {
			ended[state] = pipe.ZCard(ctx, keyState(state))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return c, storeError(err)
	}
	for state, n := range ended {
		c.Pushes[state] = int(n.Val())
	}
	for ids := range slices.Chunk(active.Val(), censusBatch) {
		if err := s.countActive(ctx, &c, ids, now.Val()); err != nil {
			return c, err
		}
	}
	return c, nil
}

// countActive counts pushes of the index of active ones.
func (s *Store) countActive(ctx context.Context, c *tasks.Census, ids []string, now time.Time) error {
	names := []string{fieldState, fieldWorker, fieldTrouble, fieldWaiting, fieldWaits}
	pipe := s.client.Pipeline()
	rows := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		rows[i] = pipe.HMGet(ctx, keyPush(id), names...)
	}
	_, err := pipe.Exec(ctx)
	if err = storeError(err); err != nil && tasks.CodeOf(err) != tasks.CodeInternal {
		return err
	}
	for _, row := range rows {
		if row.Err() != nil { // its key holds something else
			continue
		}
		r := &reader{fields: map[string]string{}}
		for i, name := range names {
			r.fields[name], _ = row.Val()[i].(string)
		}
		if r.fields[fieldState] != "" { // else its record has gone
			count(c, r, now)
		}
	}
	return nil
}

func count(c *tasks.Census, r *reader, now time.Time) {
	state := r.state()
	if state.Terminal() {
		return // in its own index by now
	}
	c.Pushes[state]++
	trouble, _ := r.trouble(state)
	if trouble == nil {
		return
	}
	kind := tasks.TroubleKind{Side: trouble.Side, Code: trouble.Code}
	of := c.Troubles[kind]
	of.Pushes++
	of.Oldest = max(of.Oldest, now.Sub(trouble.Since))
	c.Troubles[kind] = of
}
