package store

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

const (
	feedPage  = 1000 // entries that one call takes from Redis
	feedGrace = 2 * time.Second
)

// Feed returns what follows the entry after, oldest first; all of it after
// tasks.FeedStart. Where Redis has trimmed or lost that entry, it is not Whole and has no
// events.
func (s *Store) Feed(ctx context.Context, after string) (tasks.FeedPart, error) {
	var part tasks.FeedPart
	for from := after; ; {
		run, entries, err := s.feedPage(ctx, from)
		if err != nil {
			return tasks.FeedPart{}, err
		}
		part.Run = run
		full := len(entries) == feedPage
		if from != tasks.FeedStart {
			if len(entries) == 0 || entries[0].ID != from {
				return tasks.FeedPart{Run: run}, nil
			}
			entries = entries[1:]
		}
		part.Events = append(part.Events, entries...)
		if !full {
			part.Whole = true
			return part, nil
		}
		from = entries[len(entries)-1].ID
	}
}

// feedPage reads from an entry on, that one too.
func (s *Store) feedPage(ctx context.Context, from string) (run string, entries []tasks.FeedEvent, err error) {
	reply, err := s.scripts.feed.Run(ctx, s.client, []string{keyFeed}, from, feedPage).Slice()
	if err != nil {
		return "", nil, storeError(err)
	}
	var rows []any
	if len(reply) == 2 {
		run, _ = reply[0].(string)
		rows, _ = reply[1].([]any)
	}
	for _, row := range rows {
		entries = append(entries, feedEvent(row))
	}
	return run, entries, nil
}

// AwaitFeed returns when the feed has an entry behind after, or wait is over.
func (s *Store) AwaitFeed(ctx context.Context, after string, wait time.Duration) error {
	if wait < time.Millisecond {
		return nil // BLOCK 0 is for ever
	}
	ctx, cancel := context.WithTimeout(ctx, wait+feedGrace)
	defer cancel()
	err := s.client.XRead(ctx, &redis.XReadArgs{Streams: []string{keyFeed, after}, Count: 1, Block: wait}).Err()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return storeError(err)
}

// feedEvent reads an entry as Lua hands it on: its id, then a list of fields
// and values in turn.
func feedEvent(row any) tasks.FeedEvent {
	var e tasks.FeedEvent
	parts, _ := row.([]any)
	if len(parts) != 2 {
		return e
	}
	e.ID, _ = parts[0].(string)
	flat, _ := parts[1].([]any)
	values := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		if name, ok := flat[i].(string); ok {
			values[name], _ = flat[i+1].(string)
		}
	}
	e.Push = values[eventPush]
	e.Event = readEvent(values)
	return e
}
