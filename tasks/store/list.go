package store

import (
	"context"
	"encoding/base64"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

const (
	maxLimit  = 200
	batchSize = 200
	maxScan   = 2000 // ids one List looks at; a page may be short for that
)

// List returns pushes, newest first. It walks the shortest index that the
// filter names and tests the rest against each record, at most maxScan of
// them: a page may hold less than Limit, even nothing, and still have a
// NextCursor.
func (s *Store) List(ctx context.Context, f tasks.Filter) (tasks.Page, error) {
	before, err := readCursor(f.Cursor)
	if err != nil {
		return tasks.Page{}, err
	}
	limit := min(max(f.Limit, 1), maxLimit)
	s.trimSometimes(ctx)
	index, err := s.shortest(ctx, f)
	if err != nil {
		return tasks.Page{}, err
	}
	page := tasks.Page{Pushes: []tasks.Push{}}
	size := limit // mostly all of them pass
	for scanned := 0; scanned < maxScan; size = batchSize {
		ids, more, err := s.older(ctx, index, before, size)
		if err != nil {
			return tasks.Page{}, err
		}
		used, err := s.fill(ctx, &page, batch{index: index, ids: ids, filter: f, limit: limit})
		if err != nil {
			return tasks.Page{}, err
		}
		if used == len(ids) && !more {
			return page, nil
		}
		before = ids[used-1]
		if len(page.Pushes) == limit {
			break
		}
		scanned += used
	}
	page.NextCursor = writeCursor(before)
	return page, nil
}

// mostActive bounds what Active reads; a fleet runs fewer.
const mostActive = 5000

// Active returns the pushes that have not ended, newest first, at most
// mostActive of them.
func (s *Store) Active(ctx context.Context) ([]tasks.Push, error) {
	ids, err := s.client.ZRevRange(ctx, keyActive, 0, mostActive-1).Result()
	if err != nil {
		return nil, storeError(err)
	}
	records, err := s.records(ctx, ids)
	if err != nil {
		return nil, err
	}
	pushes := make([]tasks.Push, 0, len(ids))
	for i, record := range records {
		if p := show(ids[i], record); len(record) > 0 && !p.State.Terminal() {
			pushes = append(pushes, p)
		}
	}
	return pushes, nil
}

// shortest picks the index with the fewest ids among those that fit f.
func (s *Store) shortest(ctx context.Context, f tasks.Filter) (string, error) {
	indexes := candidates(f)
	if len(indexes) == 1 {
		return indexes[0], nil
	}
	pipe := s.client.Pipeline()
	cards := make([]*redis.IntCmd, len(indexes))
	for i, index := range indexes {
		cards[i] = pipe.ZCard(ctx, index)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return "", storeError(err)
	}
	best, least := "", int64(math.MaxInt64)
	for i, card := range cards {
		if card.Val() < least {
			best, least = indexes[i], card.Val()
		}
	}
	return best, nil
}

func candidates(f tasks.Filter) []string {
	var indexes []string
	switch {
	case len(f.States) == 1 && f.States[0].Terminal():
		indexes = append(indexes, keyState(f.States[0]))
	case len(f.States) > 0 && !slices.ContainsFunc(f.States, tasks.State.Terminal):
		indexes = append(indexes, keyActive)
	}
	if f.UserID != "" {
		indexes = append(indexes, keyUserIndex(f.UserID))
	}
	if f.RoomID != "" {
		indexes = append(indexes, keyRoom(f.RoomID))
	}
	if f.SDKAppID != 0 {
		indexes = append(indexes, keyApp(appText(f.SDKAppID)))
	}
	if len(indexes) == 0 {
		indexes = append(indexes, keyAll)
	}
	return indexes
}

// older returns the next ids of an index before one ("" is after the newest), and
// whether more follow.
func (s *Store) older(ctx context.Context, index, before string, count int) (ids []string, more bool, err error) {
	top := "+"
	if before != "" {
		top = "(" + before
	}
	ids, err = s.client.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: index, Start: top, Stop: "-", ByLex: true, Rev: true, Count: int64(count) + 1,
	}).Result()
	return ids[:min(len(ids), count)], len(ids) > count, storeError(err)
}

type batch struct {
	index  string
	ids    []string
	filter tasks.Filter
	limit  int
}

// fill adds what passes the filter to the page and says how many ids it has
// used up. Ids whose record is gone are taken out of the index.
func (s *Store) fill(ctx context.Context, page *tasks.Page, b batch) (used int, err error) {
	records, err := s.records(ctx, b.ids)
	if err != nil {
		return 0, err
	}
	var gone []any
	for i, record := range records {
		if len(page.Pushes) == b.limit {
			break
		}
		used++
		if len(record) == 0 {
			gone = append(gone, b.ids[i])
			continue
		}
		if p := show(b.ids[i], record); b.filter.Matches(p) {
			page.Pushes = append(page.Pushes, p)
		}
	}
	if len(gone) > 0 {
		err = s.client.ZRem(ctx, b.index, gone...).Err()
	}
	return used, storeError(err)
}

// A cursor is the id of the last push looked at.
func writeCursor(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

func readCursor(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = uuid.Validate(string(raw))
	}
	if err != nil {
		return "", &tasks.Error{
			Code: tasks.CodeInvalidRequest, Msg: "the cursor is not one of ours",
			Fields: []tasks.FieldError{{Field: "cursor", Detail: "take nextCursor of the page before"}},
		}
	}
	return string(raw), nil
}
