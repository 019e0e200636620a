package store

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/tasks"
)

// claimArgs are the ARGV of claim.
func (s *Store) claimArgs(l tasks.Lease, place tasks.Place, keys []string) []any {
	return []any{
		l.ID, s.cfg.Retention.Milliseconds(), s.cfg.Lease.Milliseconds(), l.Epoch, l.Worker,
		place.Others, tasks.IsolationStrikes, strings.Join(keys, " "), string(tasks.WaitingForKey), tasks.IsolationTime.Milliseconds(),
		int64(place.Taken), int64(place.Limit), int64(tasks.LeastCost), string(tasks.WaitingForCapacity), bit(place.Counted),
		tasks.KeepAfter.Milliseconds(), tasks.GiveWayAfter.Milliseconds(), tasks.GiveWayTime.Milliseconds(), tasks.LargerTime.Milliseconds(),
	}
}

// claimed reads what claim answers for a push.
func claimed(id string, r reply) (tasks.Claimed, error) {
	if (r.code != "ok" && r.code != "handover") || len(r.values) == 0 {
		return tasks.Claimed{}, refusal(r)
	}
	p, err := readPush(id, fields(r.values[1:]))
	if err != nil { // no attempt of it is renewed, so that the sweeper ends it soon
		return tasks.Claimed{}, internal("the record of push "+id+" is damaged", err)
	}
	if r.code == "handover" {
		err = tasks.ErrHandover
	}
	return tasks.Claimed{Push: p, Envelope: r.first()}, err
}

// Finish ends the push for good and returns the state it has now; ErrStale when a
// later attempt exists or the push was ended by somebody else, ErrGone without a
// record.
func (s *Store) Finish(ctx context.Context, l tasks.Lease, e tasks.End) (tasks.State, error) {
	o, err := s.owner(ctx, l.ID)
	if err != nil {
		return "", err
	}
	failure := flat{"", ""}
	if e.Failure != nil {
		failure = flat{}
		if err := failure.addJSON(fieldFailure, e.Failure); err != nil {
			return "", err
		}
	}
	trouble := flat{fieldTrouble, ""}
	if e.Trouble != nil {
		trouble = flat{}
		if err := trouble.addJSON(fieldTrouble, e.Trouble); err != nil {
			return "", err
		}
	}
	last, err := lastReport(l, e.LastReport, trouble...)
	if err != nil {
		return "", err
	}
	r, err := s.do(ctx, s.scripts.finish, pushKeys(l.ID, o),
		l.ID, s.cfg.Retention.Milliseconds(), l.Epoch, l.Worker, string(e.State), failure[1], last.progress, last.events, last.samples)
	if err != nil {
		return "", err
	}
	return tasks.State(r.first()), nil
}

// Release gives the push back: Queued under the next epoch, which it returns;
// or, with desired=stop, Stopped and 0. It returns ErrStale or ErrGone like
// Finish.
func (s *Store) Release(ctx context.Context, l tasks.Lease, report tasks.LastReport) (next int64, err error) {
	o, err := s.owner(ctx, l.ID)
	if err != nil {
		return 0, err
	}
	last, err := lastReport(l, report)
	if err != nil {
		return 0, err
	}
	r, err := s.do(ctx, s.scripts.release, pushKeys(l.ID, o),
		l.ID, s.cfg.Retention.Milliseconds(), s.cfg.Grace.Milliseconds(), l.Epoch, l.Worker, last.progress, last.events,
		s.announcedGrace().Milliseconds(), last.samples, string(report.Waiting))
	if err != nil {
		return 0, err
	}
	return epochOf(r.first())
}

// announcedGrace is how long a push waits for an attempt that was announced
// before the sweeper looks: it was rung for before, and whoever heard that claims
// at once.
func (s *Store) announcedGrace() time.Duration { return min(s.cfg.Lease, s.cfg.Grace) }

func epochOf(text string) (int64, error) {
	next, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, internal("a script of the store answered no epoch", err)
	}
	return next, nil
}

// lastTexts is an attempt's last report as scripts take it.
type lastTexts struct{ progress, events, samples string }

// lastReport writes an attempt's last report, with more fields beside the
// progress.
func lastReport(l tasks.Lease, r tasks.LastReport, more ...string) (lastTexts, error) {
	f := flat(more)
	f.addProgress(r.Progress)
	samples, err := json.Marshal(sampleTexts(l.Epoch, r.Samples))
	if err != nil {
		return lastTexts{}, internal("the samples of an attempt could not be written", err)
	}
	return lastTexts{f.json(), eventsJSON(l.Epoch, r.Events), string(samples)}, nil
}

// Lease is how long a claim or a renew lasts.
func (s *Store) Lease() time.Duration { return s.cfg.Lease }
