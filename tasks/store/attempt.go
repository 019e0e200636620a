package store

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// renewPart is how many pushes one call of the script renews: few enough that
// Redis is never held for long.
const renewPart = 200

// Claim gives the queued attempt to l.Worker, or refuses with ErrGone,
// ErrEnded, ErrStale or ErrHeld. A push with desired=stop is ended as Stopped
// and refused with ErrEnded, unless another worker's lease still runs.
func (s *Store) Claim(ctx context.Context, l tasks.Lease) (tasks.Claimed, error) {
	o, err := s.owner(ctx, l.ID)
	if err != nil {
		return tasks.Claimed{}, err
	}
	r, err := s.run(ctx, s.scripts.claim, pushKeys(l.ID, o),
		l.ID, s.cfg.Retention.Milliseconds(), s.cfg.Lease.Milliseconds(), l.Epoch, l.Worker)
	if err != nil {
		return tasks.Claimed{}, err
	}
	if r.code != "ok" || len(r.values) == 0 {
		return tasks.Claimed{}, refusal(r)
	}
	p, err := readPush(fields(r.values[1:]))
	return tasks.Claimed{Push: p, Envelope: r.first()}, err
}

// Renew extends the leases of one worker and writes what has changed; verdicts
// are in the order of rs. After an error none, some or all of it may have
// happened; renewing again with the same events is safe.
func (s *Store) Renew(ctx context.Context, rs []tasks.Renewal) ([]tasks.Verdict, error) {
	var calls []renewCall
	for start := 0; start < len(rs); start += renewPart {
		call, err := s.renewCall(rs[start:min(start+renewPart, len(rs))])
		if err != nil {
			return nil, err
		}
		calls = append(calls, call)
	}
	replies, err := s.runAll(ctx, calls)
	if err != nil {
		return nil, err
	}
	verdicts := make([]tasks.Verdict, 0, len(rs))
	for _, reply := range replies {
		for _, v := range reply {
			verdicts = append(verdicts, tasks.Verdict(v))
		}
	}
	if len(verdicts) != len(rs) {
		return nil, internal("a renew answered for another number of pushes", nil)
	}
	return verdicts, nil
}

type renewCall struct {
	keys []string
	args []any
}

// renewal is one attempt's part as lua/renew.lua reads it.
type renewal struct {
	Epoch   int64   `json:"e"`
	Worker  string  `json:"w"`
	State   string  `json:"s"`
	Started string  `json:"t"`
	Fields  flat    `json:"f"`
	Events  []entry `json:"v"`
}

func (s *Store) renewCall(rs []tasks.Renewal) (renewCall, error) {
	call := renewCall{keys: []string{keyLive}, args: []any{s.cfg.Lease.Milliseconds()}}
	for _, r := range rs {
		text, err := renewArg(r)
		if err != nil {
			return renewCall{}, err
		}
		call.keys = append(call.keys, keyPush(r.Lease.ID), keyEvents(r.Lease.ID))
		call.args = append(call.args, text)
	}
	return call, nil
}

func renewArg(r tasks.Renewal) (string, error) {
	fields := flat{}
	if !r.Started.IsZero() { // a push has no progress before it publishes
		fields.addProgress(r.Progress)
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
	arg := renewal{
		Epoch: r.Lease.Epoch, Worker: r.Lease.Worker, State: string(r.State),
		Fields: fields, Events: entries(r.Lease.Epoch, r.Events),
	}
	if !r.Started.IsZero() {
		arg.Started = strconv.FormatInt(r.Started.UnixMilli(), 10)
	}
	text, err := json.Marshal(arg)
	return string(text), errors.Join(append(errs, err)...)
}

// runAll calls the renew script for every part in one round trip, two when the
// server does not know the script yet.
func (s *Store) runAll(ctx context.Context, calls []renewCall) ([][]int64, error) {
	replies, err := s.runPipelined(ctx, calls, s.scripts.renew.EvalSha)
	if err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
		replies, err = s.runPipelined(ctx, calls, s.scripts.renew.Eval)
	}
	if err != nil {
		return nil, storeError(err)
	}
	return replies, nil
}

type evaluate func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd

func (s *Store) runPipelined(ctx context.Context, calls []renewCall, eval evaluate) ([][]int64, error) {
	pipe := s.client.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	for i, call := range calls {
		cmds[i] = eval(ctx, pipe, call.keys, call.args...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	replies := make([][]int64, len(cmds))
	for i, cmd := range cmds {
		var err error
		if replies[i], err = cmd.Int64Slice(); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

// Finish ends the push for good; ErrStale when a later attempt exists or the
// push was ended by somebody else, ErrGone without a record.
func (s *Store) Finish(ctx context.Context, l tasks.Lease, e tasks.End) error {
	o, err := s.owner(ctx, l.ID)
	if err != nil {
		return err
	}
	failure := flat{"", ""}
	if e.Failure != nil {
		failure = flat{}
		if err := failure.addJSON(fieldFailure, e.Failure); err != nil {
			return err
		}
	}
	progress, events := lastWords(l, e.Progress, e.Events)
	r, err := s.run(ctx, s.scripts.finish, pushKeys(l.ID, o),
		l.ID, s.cfg.Retention.Milliseconds(), l.Epoch, l.Worker, string(e.State), failure[1], progress, events)
	if err != nil {
		return err
	}
	if r.code != "ok" {
		return refusal(r)
	}
	return nil
}

// Release gives the push back: Queued under the next epoch, which it returns;
// or, with desired=stop, Stopped and 0. It returns ErrStale or ErrGone like
// Finish.
func (s *Store) Release(ctx context.Context, l tasks.Lease, p media.Progress, events []tasks.Event) (next int64, err error) {
	o, err := s.owner(ctx, l.ID)
	if err != nil {
		return 0, err
	}
	progress, eventsText := lastWords(l, p, events)
	r, err := s.run(ctx, s.scripts.release, pushKeys(l.ID, o),
		l.ID, s.cfg.Retention.Milliseconds(), s.cfg.Grace.Milliseconds(), l.Epoch, l.Worker, progress, eventsText)
	if err != nil {
		return 0, err
	}
	return nextEpoch(r)
}

func nextEpoch(r reply) (int64, error) {
	if r.code != "ok" {
		return 0, refusal(r)
	}
	next, err := strconv.ParseInt(r.first(), 10, 64)
	if err != nil {
		return 0, internal("a script of the store answered no epoch", err)
	}
	return next, nil
}

// lastWords is the progress and the events of an attempt that ends, as scripts
// take them.
func lastWords(l tasks.Lease, p media.Progress, events []tasks.Event) (progress, list string) {
	var f flat
	f.addProgress(p)
	text, _ := json.Marshal(entries(l.Epoch, events)) // strings and numbers always marshal
	return f.json(), string(text)
}

// Lease is how long a claim or a renew lasts.
func (s *Store) Lease() time.Duration { return s.cfg.Lease }
