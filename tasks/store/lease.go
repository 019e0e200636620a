package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

// renewPart is how many pushes one call of the script renews: few enough that
// Redis is never held for long.
const renewPart = 200

// nextRenew numbers this process's renews, so that Redis knows their order.
// The numbers rise even if the clock does not, and over restarts.
func (s *Store) nextRenew() int64 {
	for {
		last := s.lastRenew.Load()
		next := max(last+1, time.Now().UnixMicro())
		if s.lastRenew.CompareAndSwap(last, next) {
			return next
		}
	}
}

// Renew says that w lives, extends its leases and writes what has changed;
// rs may be empty, verdicts are in its order. After an error none, some or all
// of it may have happened; renewing again with the same events is safe. A
// worker's renews may overtake each other: one that arrives after a later one
// changes nothing and is told Late.
func (s *Store) Renew(ctx context.Context, w tasks.WorkerReport, rs []tasks.Renewal) ([]tasks.Verdict, error) {
	report, err := json.Marshal(w)
	if err != nil {
		return nil, internal("the worker's report could not be written", err)
	}
	head := []any{s.cfg.Lease.Milliseconds(), w.Name, s.nextRenew(), string(report)}
	var calls []scriptCall
	for start := 0; start < max(len(rs), 1); start += renewPart {
		call, err := renewPartCall(w.Name, head, rs[start:min(start+renewPart, len(rs))])
		if err != nil {
			return nil, err
		}
		calls = append(calls, call)
	}
	verdicts := make([]tasks.Verdict, 0, len(rs))
	for _, cmd := range pipelined(ctx, s.client, s.scripts.renew, calls) {
		reply, err := cmd.Int64Slice()
		if err != nil {
			return nil, storeError(err)
		}
		for _, v := range reply {
			verdicts = append(verdicts, tasks.Verdict(v))
		}
	}
	if len(verdicts) != len(rs) {
		return nil, internal("a renew answered for another number of pushes", nil)
	}
	return verdicts, nil
}

// renewal is one attempt's part as lua/renew.lua reads it.
type renewal struct {
	Epoch   int64    `json:"e"`
	Worker  string   `json:"w,omitempty"` // another than the one that renews
	State   string   `json:"s"`
	Started string   `json:"t"`
	Settled bool     `json:"d"`
	Over    bool     `json:"o,omitempty"`
	Fields  flat     `json:"f"`
	Events  []entry  `json:"v,omitempty"`
	Samples []string `json:"m,omitempty"`
}

func renewPartCall(w string, head []any, rs []tasks.Renewal) (scriptCall, error) {
	call := scriptCall{keys: []string{keyLive, keyWorkers, keyFleet}, args: slices.Clone(head)}
	for _, r := range rs {
		text, err := renewArg(w, r)
		if err != nil {
			return scriptCall{}, internal("a renewal could not be written", err)
		}
		call.keys = append(call.keys, keyPush(r.Lease.ID))
		call.args = append(call.args, text)
	}
	call.keys = append(call.keys, keyFeed)
	return call, nil
}

// renewArg is r as worker's renew carries it.
func renewArg(worker string, r tasks.Renewal) (string, error) {
	fields := flat{}
	if !r.Started.IsZero() { // a push has no progress before it publishes
		fields.addProgress(r.Progress)
	}
	if r.Plan != nil || !r.Started.IsZero() { // it depends on what is sent
		fields.addInt(fieldCost, int64(r.Cost))
	}
	var errs []error
	if r.Source != nil {
		errs = append(errs, fields.addJSON(fieldSource, r.Source))
	}
	if r.Plan != nil {
		errs = append(errs, fields.addJSON(fieldPlan, r.Plan))
	}
	if r.Warnings != nil {
		errs = append(errs, fields.addJSON(fieldWarnings, r.Warnings))
	}
	switch {
	case r.Trouble == nil:
	case *r.Trouble == tasks.Trouble{}:
		fields.add(fieldTrouble, "")
	default:
		errs = append(errs, fields.addJSON(fieldTrouble, r.Trouble))
	}
	events := r.Events
	if err := errors.Join(errs...); err != nil { // that part is left out; the lease is worth more
		events = append(slices.Clone(events), tasks.Event{
			At: time.Now(), Type: tasks.EventWarning, Code: warnIncomplete, Message: messageIncomplete + err.Error(),
		})
	}
	arg := renewal{
		Epoch: r.Lease.Epoch, State: string(r.State), Settled: r.Settled, Over: r.Over,
		Fields: fields, Events: entries(r.Lease.Epoch, events), Samples: sampleTexts(r.Lease.Epoch, r.Samples),
	}
	if r.Lease.Worker != worker {
		arg.Worker = r.Lease.Worker
	}
	if !r.Started.IsZero() {
		arg.Started = strconv.FormatInt(r.Started.UnixMilli(), 10)
	}
	text, err := json.Marshal(arg)
	return string(text), err
}
