package store

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// Claims gives queued attempts to a worker that has these places for them, in one
// script; each sees what those before it were given. It refuses one with ErrGone,
// ErrEnded, ErrStale, ErrHeld, ErrIsolated, ErrCapacity, ErrKept, or ErrNoKey when another than
// these keys sealed the envelope (none: any is good). A push with desired=stop is ended
// as Stopped and refused with ErrEnded, unless another worker's lease still runs. With
// ErrHandover comes what an attempt that was announced may prepare from. What fails for
// one fails it alone. Errors of all are *tasks.Error.
func (s *Store) Claims(ctx context.Context, claims []tasks.Claim, keys ...string) ([]tasks.ClaimAnswer, error) {
	answers := make([]tasks.ClaimAnswer, len(claims))
	owners := s.owners(ctx, claims)
	var asked []int // those that there is a record of
	var names []string
	args := []any{0}
	for i, c := range claims {
		if answers[i].Err = owners[i].err; answers[i].Err != nil {
			continue
		}
		asked = append(asked, i)
		names = append(append(names, pushKeys(c.Lease.ID, owners[i].owner)...), keyWorkers, keyFleet)
		args = append(args, s.claimArgs(c.Lease, c.Place, keys)...)
	}
	if len(asked) == 0 {
		return answers, nil
	}
	args[0] = len(asked)
	replies, err := s.scripts.claims.Run(ctx, s.client, append(names, keyFeed), args...).Slice()
	if err != nil {
		return nil, storeError(err)
	}
	if len(replies) != len(asked) {
		return nil, internal("a script of the store answered too little", nil)
	}
	for n, i := range asked {
		r, err := replyOf(replies[n])
		if err != nil {
			return nil, err
		}
		answers[i].Claimed, answers[i].Err = claimed(claims[i].Lease.ID, r)
	}
	return answers, nil
}

// foundOwner is who a push belongs to, or why that is not known.
type foundOwner struct {
	owner
	err error
}

// owners looks up who the pushes of claims belong to.
func (s *Store) owners(ctx context.Context, claims []tasks.Claim) []foundOwner {
	pipe := s.client.Pipeline()
	looks := make([]*redis.SliceCmd, len(claims))
	for i, c := range claims {
		looks[i] = pipe.HMGet(ctx, keyPush(c.Lease.ID), ownerFields...)
	}
	_, _ = pipe.Exec(ctx) // each has its own error
	owners := make([]foundOwner, len(claims))
	for i, look := range looks {
		if err := look.Err(); err != nil {
			owners[i].err = storeError(err)
			continue
		}
		owners[i].owner, owners[i].err = ownerIn(look.Val())
	}
	return owners
}
