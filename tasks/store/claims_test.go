package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestAClaimThatFailsFailsAlone(t *testing.T) {
	for _, kind := range []string{"push", "history", "secret"} {
		t.Run(kind, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			var claims []tasks.Claim
			for _, user := range []string{"1", "2", "3"} {
				claims = append(claims, tasks.Claim{Lease: lease(create(t, s, user), "w")})
			}
			key := "{roomcast}:" + kind + ":" + claims[1].Lease.ID
			require.NoError(t, rdb.Del(ctx(t), key).Err())
			require.NoError(t, rdb.ZAdd(ctx(t), key, z(1, "something else")).Err())
			answers, err := s.Claims(ctx(t), claims)
			require.NoError(t, err)
			require.NoError(t, answers[0].Err)
			require.Equal(t, tasks.CodeInternal, tasks.CodeOf(answers[1].Err))
			require.NoError(t, answers[2].Err)
			require.Equal(t, "w", get(t, s, claims[2].Lease.ID).Worker)
		})
	}
}

func TestALookAtHandoversPassesOverWhatIsNoRecord(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l, next := handing(t, s)
	announce(t, s, l)
	other := newID(t)
	require.NoError(t, rdb.Set(ctx(t), "{roomcast}:push:"+other, "something else", 0).Err())
	all, err := s.Handovers(ctx(t), []tasks.Lease{{ID: other, Epoch: 2}, next})
	require.NoError(t, err)
	require.Equal(t, []tasks.Handover{{}, {Stands: true}}, all)
}
