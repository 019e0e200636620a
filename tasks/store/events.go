package store

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

// The fields of an event in a push's stream; what is empty is left out.
const (
	eventPush    = "push" // in the feed
	eventAt      = "at"
	eventType    = "type"
	eventState   = "state"
	eventSide    = "side"
	eventCode    = "code"
	eventMessage = "message"
	eventEpoch   = "epoch"
	eventSeq     = "seq"
)

// entry is an event as scripts take it: its number and its fields.
type entry struct {
	seq    int64
	fields flat
}

// MarshalJSON writes [seq, [field, value, …]].
func (e entry) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{e.seq, e.fields})
}

// entries is never nil: Lua reads null as a value.
func entries(epoch int64, events []tasks.Event) []entry {
	list := make([]entry, 0, len(events))
	for _, e := range events {
		var f flat
		f.addInt(eventAt, e.At.UnixMilli())
		f.add(eventType, string(e.Type))
		for _, field := range []flat{{eventState, string(e.State)}, {eventSide, string(e.Side)}, {eventCode, e.Code}, {eventMessage, e.Message}} {
			if field[1] != "" {
				f = append(f, field...)
			}
		}
		f.addInt(eventEpoch, epoch)
		f.addInt(eventSeq, e.Seq)
		list = append(list, entry{seq: e.Seq, fields: f})
	}
	return list
}

// eventsJSON is the form in which scripts take events.
func eventsJSON(epoch int64, events []tasks.Event) string {
	text, _ := json.Marshal(entries(epoch, events)) // strings and numbers always marshal
	return string(text)
}

// Events returns a push's history, oldest first; CodeNotFound without a record.
func (s *Store) Events(ctx context.Context, id string) ([]tasks.Event, error) {
	texts, err := s.told(ctx, id, keyHistory(id))
	if err != nil {
		return nil, err
	}
	events := make([]tasks.Event, 0, len(texts))
	for _, text := range texts {
		var values []string
		if json.Unmarshal([]byte(text), &values) == nil {
			events = append(events, readEvent(fields(values)))
		}
	}
	return events, nil
}

// told reads a list of what push id has told, oldest first; CodeNotFound without a
// record.
func (s *Store) told(ctx context.Context, id, list string) ([]string, error) {
	pipe := s.client.Pipeline()
	exists, texts := pipe.Exists(ctx, keyPush(id)), pipe.LRange(ctx, list, 0, -1)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, storeError(err)
	}
	if exists.Val() == 0 {
		return nil, notFound(id)
	}
	return texts.Val(), nil
}

func readEvent(values map[string]string) tasks.Event {
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(values[name], 10, 64) // absent is 0
		return n
	}
	return tasks.Event{
		At:      time.UnixMilli(number(eventAt)).UTC(),
		Type:    tasks.EventType(values[eventType]),
		State:   tasks.State(values[eventState]),
		Side:    tasks.Side(values[eventSide]),
		Code:    values[eventCode],
		Message: values[eventMessage],
		Epoch:   number(eventEpoch),
		Seq:     number(eventSeq),
	}
}
