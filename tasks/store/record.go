package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// The fields of a record. People read them with HGETALL: numbers are decimal,
// times Unix milliseconds, what has parts is JSON.
const (
	fieldID        = "id"
	fieldState     = "state"
	fieldDesired   = "desired"
	fieldEpoch     = "epoch"
	fieldWorker    = "worker"
	fieldSpec      = "spec" // tasks.Spec
	fieldApp       = "sdk_app_id"
	fieldRoom      = "room_id"
	fieldUser      = "user_id"
	fieldIdem      = "idem" // name of the idempotency key, for abort
	fieldCreated   = "created_at"
	fieldStarted   = "started_at"
	fieldEnded     = "ended_at"
	fieldSource    = "source"
	fieldPlan      = "plan"
	fieldCost      = "cost" // tasks.Cost
	fieldWarnings  = "warnings"
	fieldFailure   = "failure"
	fieldProgress  = "progress" // see progressText
	fieldStrikes   = "strikes"
	fieldTrouble   = "trouble" // tasks.Trouble; empty when it is over
	fieldWaiting   = "waiting" // of a queued push: why, and since when
	fieldWaits     = "waiting_since"
	fieldLastEpoch = "last_epoch"  // the attempt that left the push last, and
	fieldLastOwner = "last_worker" // its worker; empty after a takeover
	fieldHandover  = "handover"    // announced epoch and, once it is ready, its worker
	fieldWebhooks  = "webhooks"    // events that the client wants to be told, see lua/lib.lua; separated by spaces
	fieldLost      = "webhooks_lost"
	// Only the scripts use webhook_… beside those, claimed_at, event_epoch and event_seq (the last event stored),
	// kept (until when a worker keeps its cores for the push, what it lacks, its name),
	// renew_seq (the last renew of the attempt), struck (the epochs whose
	// strike counts), settled_epoch (the last attempt that settled) and
	// taken_by (the token of the last takeover).
)

// flat is fields and values in turn, as HSET takes them.
type flat []string

func (f *flat) add(name, value string)      { *f = append(*f, name, value) }
func (f *flat) addInt(name string, n int64) { f.add(name, strconv.FormatInt(n, 10)) }
func (f *flat) addJSON(name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return internal("the push's "+name+" could not be written", err)
	}
	f.add(name, string(text))
	return nil
}

// bit is how a script is given a truth value.
func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// addProgress writes p unless nothing was measured yet.
func (f *flat) addProgress(p media.Progress) {
	if !p.UpdatedAt.IsZero() {
		f.add(fieldProgress, progressText(p))
	}
}

// json is the form in which scripts take fields; nil is an empty array.
func (f flat) json() string {
	if len(f) == 0 {
		return "[]"
	}
	text, _ := json.Marshal([]string(f)) // strings always marshal
	return string(text)
}

// newRecord returns the fields of a new push that the script does not set.
func newRecord(p tasks.Push, idem string) (flat, error) {
	var f flat
	o := ownerOf(p.Spec)
	f.addInt(fieldEpoch, p.Epoch)
	f.add(fieldApp, o.app)
	f.add(fieldRoom, o.room)
	f.add(fieldUser, o.user)
	if idem != "" {
		f.add(fieldIdem, idem)
	}
	if len(p.Spec.Webhooks) > 0 {
		f.add(fieldWebhooks, strings.Join(p.Spec.Webhooks, " "))
	}
	if err := f.addJSON(fieldSpec, p.Spec); err != nil {
		return nil, err
	}
	if p.Trouble != nil {
		if err := f.addJSON(fieldTrouble, p.Trouble); err != nil {
			return nil, err
		}
	}
	if len(p.Warnings) > 0 {
		return f, f.addJSON(fieldWarnings, p.Warnings)
	}
	return f, nil
}

// restoredRecord returns the fields of a running push whose record was lost.
func restoredRecord(p tasks.Push) (flat, error) {
	f, err := newRecord(p, "")
	errs := []error{err}
	f.add(fieldState, string(p.State))
	f.add(fieldDesired, string(p.Desired))
	f.addInt(fieldCreated, p.CreatedAt.UnixMilli())
	if !p.StartedAt.IsZero() {
		f.addInt(fieldStarted, p.StartedAt.UnixMilli())
	}
	if p.Strikes > 0 {
		f.addInt(fieldStrikes, int64(p.Strikes))
	}
	if p.Progress != nil {
		f.addProgress(*p.Progress)
	}
	if p.Source != nil {
		errs = append(errs, f.addJSON(fieldSource, p.Source))
	}
	if p.Plan != nil {
		errs = append(errs, f.addJSON(fieldPlan, p.Plan))
		f.addInt(fieldCost, int64(p.Cost))
	}
	return f, errors.Join(errs...)
}

// reader reads a record's fields.
type reader struct {
	fields map[string]string
	err    error // of the first field that cannot be read
}

func (r *reader) int(name string) int64 {
	text := r.fields[name]
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	r.note(name, err)
	return n
}

func (r *reader) time(name string) time.Time {
	ms := r.int(name)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// json reads a field into value, which stays as it is without the field.
func (r *reader) json(name string, value any) {
	if text := r.fields[name]; text != "" {
		r.note(name, json.Unmarshal([]byte(text), value))
	}
}

func (r *reader) note(name string, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("field %s: %w", name, err)
	}
}

// state returns the record's state; one that nobody knows is read as the
// scripts do (load() in lua/lib.lua).
func (r *reader) state() tasks.State {
	state := tasks.State(r.fields[fieldState])
	if slices.Contains(tasks.States(), state) {
		return state
	}
	r.note(fieldState, errUnknown)
	if r.fields[fieldWorker] == "" {
		return tasks.Queued
	}
	return tasks.Starting
}

// trouble returns what a push in that state is troubled by and, if that is what
// it is, why it waits.
func (r *reader) trouble(s tasks.State) (*tasks.Trouble, tasks.Waiting) {
	if why := tasks.Waiting(r.fields[fieldWaiting]); why != "" && (s == tasks.Queued || s.Terminal()) {
		return why.Trouble(r.time(fieldWaits)), why
	}
	var t *tasks.Trouble
	r.json(fieldTrouble, &t)
	return t, ""
}

func (r *reader) desired() tasks.Desired {
	switch d := tasks.Desired(r.fields[fieldDesired]); d {
	case tasks.DesiredRun, tasks.DesiredStop:
		return d
	default:
		r.note(fieldDesired, errUnknown)
		return tasks.DesiredRun
	}
}

// identity notes what a record without which scripts cannot work lacks.
func (r *reader) identity() {
	for _, name := range []string{fieldID, fieldApp, fieldUser, fieldSpec} {
		if r.fields[name] == "" {
			r.note(name, errMissing)
		}
	}
}

// readPush makes a Push of push id's record. With an error it is what could be
// read.
func readPush(id string, record map[string]string) (tasks.Push, error) {
	r := &reader{fields: record}
	p := tasks.Push{
		ID:        id,
		State:     r.state(),
		Desired:   r.desired(),
		Epoch:     r.int(fieldEpoch),
		Worker:    record[fieldWorker],
		CreatedAt: r.time(fieldCreated),
		StartedAt: r.time(fieldStarted),
		EndedAt:   r.time(fieldEnded),
		Strikes:   int(r.int(fieldStrikes)),
		Cost:      tasks.Cost(r.int(fieldCost)),

		WebhooksLost: r.int(fieldLost),
		Abandoned:    record[fieldLastEpoch] != "" && record[fieldLastOwner] == "",
	}
	p.Trouble, p.Waiting = r.trouble(p.State)
	r.json(fieldSpec, &p.Spec)
	r.json(fieldSource, &p.Source)
	r.json(fieldPlan, &p.Plan)
	r.json(fieldWarnings, &p.Warnings)
	r.json(fieldFailure, &p.Failure)
	p.Progress = r.progress()
	if !p.State.Terminal() { // what has ended needs no more than it has
		r.identity()
	}
	return p, r.err
}
