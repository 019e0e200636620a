package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestAStoreThatWorksIsWritable(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	require.NoError(t, s.Writable(ctx(t)))
	require.Zero(t, rdb.DBSize(ctx(t)).Val(), "nothing is written")
}

// All of these answer PING.
func TestAStoreWhoseNodeCannotWriteIsNotWritable(t *testing.T) {
	for name, tt := range map[string]struct {
		scheme string
		start  func(testing.TB) *redistest.Server
		become func(admin redisconn.Client) []any // a command
	}{
		"a cluster in which nobody holds our keys": {
			"redis+cluster", redistest.NewCluster, func(admin redisconn.Client) []any {
				return []any{"cluster", "delslots", admin.ClusterKeySlot(ctx(t), "{roomcast}").Val()}
			},
		},
		"a master that was made a replica": {
			"redis", alone, func(redisconn.Client) []any { return []any{"replicaof", "127.0.0.1", server.Port()} },
		},
		"a master without the replicas it must have": {
			"redis", alone, func(redisconn.Client) []any { return []any{"config", "set", "min-replicas-to-write", "1"} },
		},
		"a master that is full": {
			"redis", alone, func(redisconn.Client) []any { return []any{"config", "set", "maxmemory", "1"} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := tt.start(t)
			rdb, err := redisconn.New(redisconn.Config{URL: tt.scheme + "://" + node.Addr()})
			require.NoError(t, err)
			t.Cleanup(func() { _ = rdb.Close() })
			s, admin := store.New(rdb, store.Config{}), node.Client(t)
			require.NoError(t, s.Writable(ctx(t)))
			require.NoError(t, admin.Do(ctx(t), tt.become(admin)...).Err())
			require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(s.Writable(ctx(t))))
			require.NoError(t, rdb.Ping(ctx(t)).Err())
		})
	}
}

func alone(t testing.TB) *redistest.Server {
	t.Helper()
	return redistest.New(t, redistest.Config{})
}
