package store

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// Announce says that l's worker is about to release the push, so that the next
// attempt may prepare. It returns false when there is nobody to prepare it, or
// nothing to be prepared: no other worker is present that stays, the push is to
// stop or has strikes. It returns ErrStale or ErrGone when the push is not l's.
func (s *Store) Announce(ctx context.Context, l tasks.Lease) (bool, error) {
	r, err := s.run(ctx, s.scripts.announce, []string{keyPush(l.ID), keyWorkers, keyFleet}, l.Epoch, l.Worker)
	if err != nil {
		return false, err
	}
	if r.code != "ok" && r.code != "cold" {
		return false, refusal(r)
	}
	return r.code == "ok", nil
}

// Ready notes that l, the announced attempt, needs nothing but the claim;
// ErrStale or ErrGone when the push is not being handed over to it any more.
func (s *Store) Ready(ctx context.Context, l tasks.Lease) error {
	_, err := s.do(ctx, s.scripts.ready, []string{keyPush(l.ID)}, l.Epoch, l.Worker)
	return err
}

// Handovers returns how it stands with these next attempts. It is only a look: Claim
// decides.
func (s *Store) Handovers(ctx context.Context, next []tasks.Lease) ([]tasks.Handover, error) {
	looks := make([]*redis.SliceCmd, len(next))
	pipe := s.client.Pipeline()
	for i, l := range next {
		looks[i] = pipe.HMGet(ctx, keyPush(l.ID), fieldState, fieldDesired, fieldEpoch, fieldWorker, fieldHandover)
	}
	_, _ = pipe.Exec(ctx) // each has its own error
	all := make([]tasks.Handover, len(next))
	for i, look := range looks {
		if err := storeError(look.Err()); err != nil && tasks.CodeOf(err) != tasks.CodeInternal { // else it is no record, so nothing stands
			return nil, err
		}
		all[i] = handoverTo(next[i].Epoch, look.Val())
	}
	return all, nil
}

// handoverTo reads the fields of a look.
func handoverTo(next int64, values []any) tasks.Handover {
	var text [5]string
	for i, v := range values {
		text[i], _ = v.(string)
	}
	state, desired, worker := tasks.State(text[0]), tasks.Desired(text[1]), text[3]
	announced, successor, _ := strings.Cut(text[4], " ")
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if announced != number(next) { // what follows is of another attempt
		return tasks.Handover{}
	}
	return tasks.Handover{
		Stands: state != "" && !state.Terminal() && desired == tasks.DesiredRun && worker != "" &&
			text[2] == number(next-1),
		Successor: successor,
	}
}
