package store

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// A look reads at most scanPages pages of scanPage expired ids each, the
// longest expired first.
const (
	scanPage  = 1000
	scanPages = 10
)

// mostQueued is how many queued pushes a look reads: most of them only wait, and every
// worker and API has a sweeper that looks.
const mostQueued = 200

// allExpired lists ids and lease ends, up to scanPages pages.
func (s *Store) allExpired(ctx context.Context) ([]tasks.Expired, error) {
	var all []tasks.Expired
	for page := range scanPages {
		found, err := s.expiredPage(ctx, page*scanPage)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
		if len(found) < scanPage {
			break
		}
	}
	return all, nil
}

// heldFirst cuts expired pushes to limit: those that a worker held come before
// mostQueued queued ones, of which there may be thousands that only wait.
func (s *Store) heldFirst(ctx context.Context, all []tasks.Expired, limit int) ([]tasks.Expired, error) {
	var held, queued []tasks.Expired
	for part := range slices.Chunk(all, scanPage) {
		pipe := s.client.Pipeline()
		cmds := make([]*redis.SliceCmd, len(part))
		for i, e := range part {
			cmds[i] = pipe.HMGet(ctx, keyPush(e.ID), fieldState, fieldWorker)
		}
		if _, err := pipe.Exec(ctx); err != nil && !isWrongType(err) {
			return nil, storeError(err)
		}
		for i, e := range part {
			if v := cmds[i].Val(); len(v) == 2 && v[0] == string(tasks.Queued) && v[1] == "" {
				queued = append(queued, e)
			} else { // damaged and lost ones are dealt with as quickly
				held = append(held, e)
			}
		}
	}
	all = slices.Concat(held, queued[:min(mostQueued, len(queued))])
	return all[:min(limit, len(all))], nil
}
