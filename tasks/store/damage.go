package store

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// The warning of a push whose record is damaged, as long as it has not ended.
const (
	warnDamaged    = string(tasks.WarnRecordDamaged)
	messageDamaged = "parts of this push's record cannot be read; it fails once no worker runs it"
)

// The warning in the history of a push when a part of what its worker told
// could not be written.
const (
	warnIncomplete    = string(tasks.WarnReportIncomplete)
	messageIncomplete = "a part of what the worker found out could not be written down: "
)

var (
	errMissing = errors.New("it is missing")
	errUnknown = errors.New("it has none of the known values")
)

// show makes a Push of a record for people: what cannot be read is left out.
func show(id string, record map[string]string) tasks.Push {
	p, err := readPush(id, record)
	if err != nil {
		p.Warnings = append(p.Warnings, tasks.Warning{Code: warnDamaged, Message: messageDamaged})
	}
	return p
}

// records reads many records in one round trip; an empty map is none, or a key that
// holds something else.
func (s *Store) records(ctx context.Context, ids []string) ([]map[string]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	pipe := s.client.Pipeline()
	cmds := make([]*redis.MapStringStringCmd, len(ids))
	for i, id := range ids {
		cmds[i] = pipe.HGetAll(ctx, keyPush(id))
	}
	if _, err := pipe.Exec(ctx); err != nil && !isWrongType(err) {
		return nil, storeError(err)
	}
	records := make([]map[string]string, len(ids))
	for i, cmd := range cmds {
		switch err := cmd.Err(); {
		case isWrongType(err):
		case err != nil: // after another's wrong type
			return nil, storeError(err)
		default:
			records[i] = cmd.Val()
		}
	}
	return records, nil
}

func isWrongType(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	return ok && strings.HasPrefix(reply.Error(), "WRONGTYPE")
}
