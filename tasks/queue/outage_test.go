package queue

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/mediatest"
)

func TestALeaseOfAsynqsIsExtendedAsFarAsItKnowsWhileRedisHangs(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	g := &gate{UniversalClient: s.Client(t)}
	require.NoError(t, g.Ping(t.Context()).Err())
	require.NoError(t, s.Stop())
	begin, noise := time.Now(), mediatest.WatchNoise(t)
	require.NoError(t, g.ZAddXX(t.Context(), leaseKey(QueuePush), redis.Z{Member: "a.1"}).Err())
	require.Less(t, time.Since(begin), 2*time.Second+mediatest.Hops*noise(), "asynq looks at its leases again in time")
	require.NoError(t, s.Cont())
}
