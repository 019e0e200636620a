package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestARestartOfRedisIsToldOnceAlthoughNoCallMetIt(t *testing.T) {
	server := redistest.New(t, redistest.Config{})
	s := store.New(server.Client(t), store.Config{})
	_, err := s.Expired(ctx(t), 10)
	require.NoError(t, err)
	require.NoError(t, server.Restart())
	require.Eventually(t, func() bool { // a dead connection may tell of it first
		_, err = s.Expired(ctx(t), 10)
		return err == nil || tasks.CodeOf(err) == tasks.CodeRedisUnavailable
	}, patience, 1)
	require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(err))
	require.Eventually(t, func() bool { _, err := s.Expired(ctx(t), 10); return err == nil }, patience, 1)
}
