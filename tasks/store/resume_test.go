package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const resumeKey = "5f0c"

func resume(t *testing.T, cfg store.ResumeConfig) *store.Resume {
	t.Helper()
	r, err := store.NewResume(server.Fresh(t), cfg)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

func targetOf(s *redistest.Server, password media.Secret) tasks.ResumeTarget {
	return tasks.ResumeTarget{Host: "127.0.0.1", Port: s.Port(), Password: password}
}

func record(pushID string, position time.Duration) tasks.ResumeRecord {
	return tasks.ResumeRecord{
		Position: position, Duration: time.Minute, PushID: pushID,
		UpdatedAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}
}

func TestResumeRecordReadsBackInOurOwnAndInANamedRedis(t *testing.T) {
	foreign := redistest.New(t, redistest.Config{Password: "sw0rdfish"})
	r := resume(t, store.ResumeConfig{Allow: []string{foreign.Addr()}})
	for name, target := range map[string]tasks.ResumeTarget{
		"our own": {}, "a named one with a password": targetOf(foreign, "sw0rdfish"),
	} {
		t.Run(name, func(t *testing.T) {
			_, found, err := r.Load(ctx(t), target, resumeKey)
			require.NoError(t, err)
			require.False(t, found)
			want := record(newID(t), 7*time.Second)
			want.Finished, want.Unclocked = true, true
			require.NoError(t, r.Save(ctx(t), target, resumeKey, want))
			got, found, err := r.Load(ctx(t), target, resumeKey)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, want, got)
		})
	}
	require.Equal(t, []string{"{roomcast}:resume:" + resumeKey}, foreign.Client(t).Keys(ctx(t), "*").Val())
}

func TestResumeFieldsAreTheDocumentedOnes(t *testing.T) {
	r := resume(t, store.ResumeConfig{TTL: time.Hour})
	id := newID(t)
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(id, 1500*time.Millisecond)))
	rdb := server.Client(t)
	require.Equal(t, map[string]string{
		"position_ms": "1500", "duration_ms": "60000", "push_id": id,
		"updated_at": "2026-11-22T10:00:00Z", "finished": "0", "unclocked": "0",
	}, rdb.HGetAll(ctx(t), "{roomcast}:resume:"+resumeKey).Val())
	require.InDelta(t, time.Hour, rdb.PTTL(ctx(t), "{roomcast}:resume:"+resumeKey).Val(), float64(time.Minute))
}

func TestNewestPushOwnsTheResumeRecord(t *testing.T) {
	r := resume(t, store.ResumeConfig{})
	older, newer := newID(t), newID(t)
	load := func() tasks.ResumeRecord {
		got, _, err := r.Load(ctx(t), tasks.ResumeTarget{}, resumeKey)
		require.NoError(t, err)
		return got
	}
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(older, time.Second)))
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(newer, 2*time.Second)))
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(older, 3*time.Second)))
	require.Equal(t, record(newer, 2*time.Second), load())
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(newer, 4*time.Second)))
	require.Equal(t, 4*time.Second, load().Position)
	// One that has ended, or whose id is of a clock that was ahead, is not waited for.
	later := record(older, 5*time.Second)
	later.UpdatedAt = later.UpdatedAt.Add(11 * time.Second)
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, later))
	require.Equal(t, later, load())
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(newer, 4*time.Second)))
	// What is no push id does not lock us out.
	require.NoError(t, server.Client(t).HSet(ctx(t), "{roomcast}:resume:"+resumeKey, "push_id", "zzz").Err())
	require.NoError(t, r.Save(ctx(t), tasks.ResumeTarget{}, resumeKey, record(older, 5*time.Second)))
	require.Equal(t, 5*time.Second, load().Position)
}

func TestOnlyListedServersAreUsed(t *testing.T) {
	r := resume(t, store.ResumeConfig{Allow: []string{
		"redis.example:7000", "redis://Plain.example:6379", "rediss://tls.example:6380", "bare.example", " ", "[::1]:6379",
	}})
	for name, c := range map[string]struct {
		target tasks.ResumeTarget
		want   bool
	}{
		"our own":                   {tasks.ResumeTarget{}, true},
		"host and port listed":      {tasks.ResumeTarget{Host: "redis.example", Port: 7000}, true},
		"another port":              {tasks.ResumeTarget{Host: "redis.example", Port: 7001}, false},
		"another spelling":          {tasks.ResumeTarget{Host: "PLAIN.example"}, true},
		"a TLS entry":               {tasks.ResumeTarget{Host: "tls.example", Port: 6380}, true},
		"an entry without a port":   {tasks.ResumeTarget{Host: "bare.example", Port: 6379}, true},
		"an IPv6 entry":             {tasks.ResumeTarget{Host: "::1", Port: 6379}, true},
		"a name that is not listed": {tasks.ResumeTarget{Host: "127.0.0.1", Port: 6379}, false},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, r.Allowed(c.target)) })
	}
	_, _, err := r.Load(ctx(t), tasks.ResumeTarget{Host: "127.0.0.1", Port: 6379}, resumeKey)
	require.ErrorContains(t, err, "ROOMCAST_PROGRESS_REDIS_ALLOW")
	for _, entry := range []string{"http://h:1", "u:p@h:1", "redis://h:1/0", "h:0", "h:x", ":1"} {
		_, err := store.NewResume(server.Client(t), store.ResumeConfig{Allow: []string{entry}})
		require.Error(t, err, entry)
	}
}

func TestTroubleWithANamedRedisIsAnErrorWithinTwoSeconds(t *testing.T) {
	frozen := redistest.New(t, redistest.Config{Password: "sw0rdfish"})
	dead := redistest.New(t, redistest.Config{})
	r := resume(t, store.ResumeConfig{Allow: []string{frozen.Addr(), dead.Addr()}})
	err := r.Save(ctx(t), targetOf(frozen, "wr0ng-canary"), resumeKey, record(newID(t), 0))
	require.Error(t, err, "a wrong password")
	require.NotContains(t, err.Error(), "canary")
	require.NoError(t, frozen.Stop())
	dead.Kill()
	for name, target := range map[string]tasks.ResumeTarget{
		"a server that does not answer": targetOf(frozen, "sw0rdfish"),
		"a server that is not there":    targetOf(dead, ""),
	} {
		t.Run(name, func(t *testing.T) {
			start, noise := time.Now(), mediatest.WatchNoise(t)
			_, _, err := r.Load(ctx(t), target, resumeKey)
			require.Error(t, err)
			require.Equal(t, tasks.CodeRedisUnavailable, tasks.CodeOf(err))
			require.Less(t, time.Since(start), 4*time.Second+mediatest.Hops*noise(), "2 s, on a busy machine")
		})
	}
	require.NoError(t, frozen.Cont())
	require.NoError(t, r.Save(ctx(t), targetOf(frozen, "sw0rdfish"), resumeKey, record(newID(t), 0)))
}

func TestNamedServersConnectionsAreFewAndClosedWhenIdle(t *testing.T) {
	foreign := redistest.New(t, redistest.Config{})
	r := resume(t, store.ResumeConfig{Allow: []string{foreign.Addr()}, Idle: time.Second})
	for range 20 {
		require.NoError(t, r.Save(ctx(t), targetOf(foreign, ""), resumeKey, record(newID(t), 0)))
	}
	rdb := foreign.Client(t)
	clients := func() int { return strings.Count(rdb.ClientList(ctx(t)).Val(), "\n") }
	most := 0
	require.Eventually(t, func() bool { // on a busy machine one may have been idle
		assert.NoError(t, r.Save(ctx(t), targetOf(foreign, ""), resumeKey, record(newID(t), 0)))
		now := clients()
		most = max(most, now)
		return now == 2
	}, patience, 50*time.Millisecond)
	require.Equal(t, 2, most, "one and the one that asks")
	require.Eventually(t, func() bool { return clients() <= 1 }, patience, 50*time.Millisecond, "only the one that asks")
	require.NoError(t, r.Save(ctx(t), targetOf(foreign, ""), resumeKey, record(newID(t), 0)))
	r.Close()
	require.Error(t, r.Save(ctx(t), targetOf(foreign, ""), resumeKey, record(newID(t), 0)))
}

func TestResumeRecordOfAStrangerIsNotTrusted(t *testing.T) {
	for name, position := range map[string]string{
		"a text": "soon", "a negative time": "-1", "a time beyond all measure": "99999999999999999",
	} {
		t.Run(name, func(t *testing.T) {
			r := resume(t, store.ResumeConfig{})
			require.NoError(t, server.Client(t).HSet(ctx(t), "{roomcast}:resume:"+resumeKey, "position_ms", position).Err())
			_, found, err := r.Load(ctx(t), tasks.ResumeTarget{}, resumeKey)
			require.Error(t, err)
			require.False(t, found)
		})
	}
}
