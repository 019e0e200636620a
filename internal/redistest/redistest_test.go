package redistest_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
)

var server *redistest.Server

func TestMain(m *testing.M) {
	os.Exit(redistest.Run(m, func(s *redistest.Server) { server = s }))
}

func TestFreshServerIsEmpty(t *testing.T) {
	c := server.Fresh(t)
	require.NoError(t, c.Set(context.Background(), "a", "1", 0).Err())
	n, err := server.Fresh(t).DBSize(context.Background()).Result()
	require.NoError(t, err)
	require.Zero(t, n)
}

func TestRestartKeepsTheDataOfAnAppendOnlyServer(t *testing.T) {
	s := redistest.New(t, redistest.Config{AppendOnly: true, Password: "a b/c"})
	c := s.Client(t)
	require.NoError(t, c.Set(context.Background(), "a", "1", 0).Err())
	s.Kill()
	require.Error(t, c.Ping(context.Background()).Err())
	require.NoError(t, s.Restart())
	require.Equal(t, "1", s.Client(t).Get(context.Background(), "a").Val())
}

func TestStoppedServerAnswersAgainAfterCont(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	c := s.Client(t)
	require.NoError(t, s.Stop())
	require.NoError(t, s.Cont())
	require.NoError(t, c.Ping(context.Background()).Err())
}
