package store

import (
	"context"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/roomcast/roomcast/tasks"
)

// Claims is Claim for several attempts of one worker, in one script. Each sees what
// those before it were given. Errors of all are *tasks.Error.
func (s *Store) Claims(ctx context.Context, claims []tasks.Claim, keys ...string) ([]tasks.ClaimAnswer, error) {
	answers := make([]tasks.ClaimAnswer, len(claims))
	owners, err := s.owners(ctx, claims)
	if err != nil {
		return nil, err
	}
	var asked []int // those that there is a record of
	var names []string
	args := []any{0}
	for i, c := range claims {
		if owners[i] == nil {
			answers[i].Err = tasks.ErrGone
			continue
		}
		asked = append(asked, i)
		names = append(names, pushKeys(c.Lease.ID, *owners[i])...)
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

// owners looks up who the pushes of claims belong to; nil: there is no record.
func (s *Store) owners(ctx context.Context, claims []tasks.Claim) ([]*owner, error) {
	looks := make([]*redis.SliceCmd, len(claims))
	_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, c := range claims {
			looks[i] = pipe.HMGet(ctx, keyPush(c.Lease.ID), ownerFields...)
		}
		return nil
	})
	if err != nil {
		return nil, storeError(err)
	}
	owners := make([]*owner, len(claims))
	for i, look := range looks {
		o, err := ownerIn(look.Val())
		if err == nil {
			owners[i] = &o
		} else if !errors.Is(err, tasks.ErrGone) {
			return nil, err
		}
	}
	return owners, nil
}
