package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// The warning of a push whose record is damaged, as long as it has not ended.
const (
	warnDamaged    = string(tasks.WarnRecordDamaged)
	messageDamaged = "parts of this push's record cannot be read; it fails unless the worker that runs it repairs them"
)

// The warning in the history of a push when a part of what its worker told
// could not be written.
const (
	warnIncomplete    = string(tasks.WarnReportIncomplete)
	messageIncomplete = "a part of what the worker found out could not be written down: "
)

// damage says which fields of a record cannot be read; the others can.
type damage struct {
	fields []string
	err    error // of the first
}

func (d *damage) Error() string { return "the record is damaged: " + d.err.Error() }
func (d *damage) Unwrap() error { return d.err }

func (d *damage) note(field string, err error) {
	d.fields = append(d.fields, field)
	if d.err == nil {
		d.err = fmt.Errorf("field %s: %w", field, err)
	}
}

// errOrNil keeps a nil *damage from becoming an error.
func (d *damage) errOrNil() error {
	if d.err == nil {
		return nil
	}
	return d
}

// noHash is the one field of a record whose key holds something else.
const noHash = ""

var (
	errNoHash  = errors.New("it is not a hash")
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

// records reads many records in one round trip; an empty map is none.
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
			records[i] = map[string]string{noHash: ""}
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

// endDamaged ends an expired push whose record is damaged.
func (s *Store) endDamaged(ctx context.Context, e tasks.Expired) (tasks.Taken, error) {
	o, err := s.owner(ctx, e.ID)
	if err != nil || o.app == "" {
		o = ownerOf(e.Push.Spec)
	}
	var failure flat
	if err := failure.addJSON(fieldFailure, tasks.Damaged()); err != nil {
		return tasks.Taken{}, err
	}
	args := []any{e.ID, s.cfg.Retention.Milliseconds(), e.Expiry, failure[1]}
	if d, ok := errors.AsType[*damage](e.Damage); ok {
		for _, name := range d.fields {
			args = append(args, name)
		}
	}
	r, err := s.run(ctx, s.scripts.damaged, pushKeys(e.ID, o), args...)
	if err != nil {
		return tasks.Taken{}, err
	}
	if r.code != "ok" {
		return tasks.Taken{}, refusal(r)
	}
	return tasks.Taken{State: tasks.State(r.first())}, nil
}
