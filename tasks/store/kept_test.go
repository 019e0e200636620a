package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestWhoHasNotAskedForAWhileKeepsNoCores(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := sealed(t, s, "u")
	set(t, rdb, p.ID, "created_at", time.Now().Add(-tasks.KeepAfter).UnixMilli())
	ask := func(worker string, limit tasks.Cost) error {
		_, err := tryClaim(ctx(t), s, lease(p, worker), tasks.Place{Taken: 90 * tasks.LeastCost, Limit: limit * tasks.LeastCost})
		return err
	}
	require.ErrorIs(t, ask("a", 90), tasks.ErrKept)
	require.NotErrorIs(t, ask("b", 80), tasks.ErrKept)
	set(t, rdb, p.ID, "kept", "1 1 a") // it ended long ago
	require.ErrorIs(t, ask("b", 80), tasks.ErrKept)
	require.NotErrorIs(t, ask("a", 80), tasks.ErrKept, "another one does by now")
	require.NoError(t, ask("c", 91))
	require.False(t, rdb.HExists(ctx(t), "{roomcast}:push:"+p.ID, "kept").Val(), "a push that runs needs no note of it")
}
