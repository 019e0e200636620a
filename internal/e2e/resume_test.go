package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

const gop = 2 * time.Second

// playTo plays src until a position, stops the push and returns where it
// stood.
func (s *stack) playTo(src, user string, position time.Duration, more fields) time.Duration {
	s.t.Helper()
	id := s.push(src, "room_"+user, user, more)
	s.waitFor(id, position.String(), func(p map[string]any) bool {
		return positionMs(p) >= float64(position.Milliseconds())
	})
	s.stop(id)
	return time.Duration(positionMs(s.waitStatus(id, "stopped"))) * time.Millisecond
}

// startOf starts a push and returns at which position it began, as its end and what its
// room got say.
func (s *stack) startOf(src, user string, more fields) time.Duration {
	s.t.Helper()
	id := s.push(src, "room_"+user, user, more)
	_, err := s.room.WaitMedia(patient(s.t), user, 500*time.Millisecond)
	require.NoError(s.t, err)
	s.stop(id)
	end := s.waitStatus(id, "stopped")
	session, err := s.room.WaitEnded(patient(s.t), user)
	require.NoError(s.t, err)
	return time.Duration(positionMs(end))*time.Millisecond - session.Media()
}

func TestRedisTrueGoesOnWhereTheLastPushStopped(t *testing.T) {
	beside(t)
	s := newStack(t, options{})
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 30, GOPSeconds: gop.Seconds()})
	files := mediatest.Serve(t, map[string]string{"a": clip, "b": clip, "c": clip})
	t.Run("in our own Redis, although the URL is signed anew", func(t *testing.T) {
		t.Parallel()
		stopped := s.playTo(files.URL+"/a?token=1", "a1", 7*time.Second, fields{"redis": true})
		again := s.startOf(files.URL+"/a?token=2", "a2", fields{"redis": true})
		requireWithinAGOP(t, stopped, again)
		require.Less(t, s.startOf(files.URL+"/a", "a3", nil), gop, "redis: false starts at the beginning")
	})
	t.Run("only into the same room with that scope", func(t *testing.T) {
		t.Parallel()
		scoped := fields{"redis": true, "resumeScope": "room"}
		s.playTo(files.URL+"/b", "b1", 4*time.Second, scoped)
		require.Less(t, s.startOf(files.URL+"/b", "b2", scoped), gop)
	})
	t.Run("not when the source was played to its end", func(t *testing.T) {
		t.Parallel()
		short := mediatest.Serve(t, map[string]string{"s": mediatest.Clip(t, mediatest.Spec{})})
		id := s.push(short.URL+"/s", "c1", "c1", fields{"redis": true})
		s.waitStatus(id, "completed")
		require.Less(t, s.startOf(short.URL+"/s", "c2", fields{"redis": true}), gop)
	})
}

func TestAServerWithoutRangeRequestsCanBeResumedToo(t *testing.T) {
	beside(t)
	clip := mediatest.Clip(t, mediatest.Spec{Seconds: 30, GOPSeconds: gop.Seconds(), Container: "flv"})
	data, err := os.ReadFile(clip)
	require.NoError(t, err)
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }))
	t.Cleanup(files.Close)
	s := newStack(t, options{})
	stopped := s.playTo(files.URL+"/a.flv", "u1", 7*time.Second, fields{"redis": true})
	requireWithinAGOP(t, stopped, s.startOf(files.URL+"/a.flv", "u2", fields{"redis": true}))
}

func requireWithinAGOP(t testing.TB, stopped, again time.Duration) {
	t.Helper()
	t.Logf("stopped at %v, went on at about %v", stopped, again)
	require.Greater(t, again, stopped-gop-time.Second)
	require.Less(t, again, stopped+gop)
}

func TestAResumeRecordMayLiveInARedisTheRequestNames(t *testing.T) {
	beside(t)
	const password = "a-strangers-password"
	other := redistest.New(t, redistest.Config{Password: password})
	s := newStack(t, options{env: []string{"ROOMCAST_PROGRESS_REDIS_ALLOW=" + other.Addr()}})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 30, GOPSeconds: gop.Seconds()})})
	named := fields{"redis": true, "redisHost": "127.0.0.1", "redisPort": other.Port(), "redisPassword": password}

	stopped := s.playTo(files.URL+"/a", "u1", 7*time.Second, named)
	requireWithinAGOP(t, stopped, s.startOf(files.URL+"/a", "u2", named))

	client := other.Client(t)
	keys, err := client.Keys(context.Background(), "*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Regexp(t, `^\{roomcast\}:resume:[0-9a-f]{64}$`, keys[0])
	record, err := client.HGetAll(context.Background(), keys[0]).Result()
	require.NoError(t, err)
	ms, err := strconv.Atoi(record["position_ms"])
	require.NoError(t, err)
	require.Greater(t, ms, 4000)
	for _, field := range []string{"duration_ms", "push_id", "updated_at", "finished"} {
		require.Contains(t, record, field)
	}
}

func TestTroubleWithANamedRedisIsAWarningAndThePictureGoesOn(t *testing.T) {
	beside(t)
	other := redistest.New(t, redistest.Config{})
	s := newStack(t, options{env: []string{"ROOMCAST_PROGRESS_REDIS_ALLOW=" + other.Addr()}})
	files := mediatest.Serve(t, map[string]string{"a": mediatest.Clip(t, mediatest.Spec{Seconds: 30})})
	noise := mediatest.WatchNoise(t)
	id := s.push(files.URL+"/a", "r", "u", fields{"redis": true, "redisHost": "127.0.0.1", "redisPort": other.Port()})
	_, err := s.room.WaitMedia(patient(t), "u", 2*time.Second)
	require.NoError(t, err)
	require.NoError(t, other.Stop())
	defer func() { _ = other.Cont() }()
	s.waitFor(id, "a warning", func(p map[string]any) bool { return p["warnings"] != nil })
	session, err := s.room.WaitMedia(patient(t), "u", 12*time.Second)
	require.NoError(t, err)
	require.True(t, session.Live())
	require.Less(t, session.Video.MaxGap, time.Second+mediatest.Hops*noise())
	events := s.do("GET", "/v1/pushes/"+id+"/events", nil)
	require.Contains(t, events.raw, "resume_unavailable")
	s.stop(id)
	s.waitStatus(id, "stopped")
}
