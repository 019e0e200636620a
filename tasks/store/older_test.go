package store_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const olderID = "01a20000-0000-7000-8000-000000000001"

// older makes the Redis of a version that had a field for each number of a progress,
// and streams of events and samples: its push runs in worker w1.
func older(t *testing.T, rdb redisconn.Client) tasks.Lease {
	t.Helper()
	now := time.Now().UnixMilli()
	set(t, rdb, olderID, "id", olderID, "state", "publishing", "desired", "run", "epoch", "1", "worker", "w1",
		"sdk_app_id", "1400000001", "room_id", "room", "user_id", "u", "created_at", "1795000000000", "started_at", "1795000001000",
		"claimed_at", "1795000000500", "event_epoch", "1", "event_seq", "1", "renew_seq", "1", "settled_epoch", "1", "strikes", "0", "struck", "",
		"spec", `{"VideoSrc":"https://h/v.mp4","SourceHost":"h","SDKAppID":1400000001,"RoomID":"room","UserID":"u","ClientRole":"anchor",
			"Redis":true,"RedisHost":"","RedisPort":0,"Mode":"auto","ResumeScope":"source","ResumeKey":"abc","Options":{"StartAt":0,"EndAt":0,
			"Repeat":0,"MaxDuration":0,"Transcode":"","Video":{"Width":0,"Height":0,"FPS":0,"Bitrate":0},"Audio":{"Bitrate":0,"Volume":0,
			"VolumeSet":false,"Mute":false},"FillAudio":true,"FillVideo":false,"Choice":{},"AudioDelay":0},"MaxIdle":300000000000,"HeaderNames":null}`,
		"position_ms", "2000", "duration_ms", "60000", "unclocked", "1", "bitrate_kbps", "1500", "fps", "29.97", "sent_bytes", "12345",
		"dropped_packets", "2", "reconnects", "1", "lateness_p99_ms", "7", "loop", "3", "played_ms", "90000", "slipped_ms", "0", "resumed_ms", "0",
		"coverage", "8000 3000 0 1000 12345 3 1000 0 2000 0 0 2", "progress_at", "1795000000123")
	c := ctx(t)
	for _, e := range [][]string{{"queued", "0"}, {"starting", "0"}, {"publishing", "1"}} {
		require.NoError(t, rdb.XAdd(c, &redis.XAddArgs{Stream: "{roomcast}:events:" + olderID, Values: []string{
			"at", "1795000000000", "type", "state", "state", e[0], "epoch", "1", "seq", e[1]}}).Err())
	}
	require.NoError(t, rdb.XAdd(c, &redis.XAddArgs{Stream: "{roomcast}:samples:" + olderID, Values: []string{
		"at", "1795000010000", "epoch", "1", "bitrate_kbps", "1000", "fps", "25.00", "lateness_ms", "7", "dropped_packets", "0"}}).Err())
	require.NoError(t, rdb.Set(c, "{roomcast}:secret:"+olderID, "sealed", 0).Err())
	require.NoError(t, rdb.Set(c, "{roomcast}:user:1400000001:u", olderID, 0).Err())
	require.NoError(t, rdb.ZAdd(c, "{roomcast}:live", z(float64(now+3000), olderID)).Err())
	for _, index := range []string{"active", "all", "room:room", "app:1400000001", "user:u"} {
		require.NoError(t, rdb.ZAdd(c, "{roomcast}:index:"+index, z(0, olderID)).Err())
	}
	return tasks.Lease{ID: olderID, Epoch: 1, Worker: "w1"}
}

func TestAPushOfAnOlderVersionIsShownAndGoesOn(t *testing.T) {
	s, rdb := fresh(t, store.Config{Retention: time.Hour})
	l := older(t, rdb)
	sent := progress(2 * time.Second)
	got := get(t, s, olderID)
	require.Empty(t, got.Warnings, "nothing is damaged")
	require.Equal(t, &sent, got.Progress)
	require.Equal(t, tasks.Spec{
		VideoSrc: "https://h/v.mp4", SourceHost: "h", SDKAppID: 1400000001, RoomID: "room", UserID: "u", ClientRole: "anchor", Redis: true,
		Mode: media.ModeAuto, ResumeScope: tasks.ResumeScopeSource, ResumeKey: "abc", Options: media.Options{FillAudio: true}, MaxIdle: 5 * time.Minute,
	}, got.Spec)

	before := tasks.Sample{At: time.UnixMilli(1795000010000).UTC(), Bitrate: 1_000_000, FPS: 25, Lateness: 7 * time.Millisecond}
	after := before
	after.At = after.At.Add(10 * time.Second)
	later := progress(3 * time.Second)
	later.UpdatedAt = later.UpdatedAt.Add(time.Second)
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{
		Lease: l, State: tasks.Publishing, Started: time.Now(), Progress: later, Samples: []tasks.Sample{after},
		Events: []tasks.Event{{At: time.Now(), Type: tasks.EventWarning, Code: "c", Message: "m", Seq: 2}},
	}))
	got = get(t, s, olderID)
	require.Equal(t, &later, got.Progress)
	require.EqualValues(t, 1795000001000, got.StartedAt.UnixMilli(), "the first start stays")
	require.Equal(t, []tasks.Sample{before, after}, read(t, s, olderID))
	_, err := s.Finish(ctx(t), l, tasks.End{State: tasks.Completed})
	require.NoError(t, err)
	events, err := s.Events(ctx(t), olderID)
	require.NoError(t, err)
	require.Len(t, events, 5)
	require.Equal(t, []tasks.State{tasks.Queued, tasks.Starting, tasks.Publishing, "", tasks.Completed},
		[]tasks.State{events[0].State, events[1].State, events[2].State, events[3].State, events[4].State})
	for _, kind := range []string{"push", "events", "samples", "history", "series"} {
		require.Positive(t, rdb.PTTL(ctx(t), "{roomcast}:"+kind+":"+olderID).Val(), "%s expires", kind)
	}
}

func TestAWorkerOfAnOlderVersionThatHasThePushMeanwhileTellsLast(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	l := older(t, rdb)
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second)})
	set(t, rdb, olderID, "position_ms", "9000", "progress_at", "1795000009000")
	require.Equal(t, 9*time.Second, get(t, s, olderID).Progress.Position)
}

func TestWhatAnOlderVersionEndsLeavesNoHistoryBehind(t *testing.T) {
	s, rdb := fresh(t, store.Config{Retention: short})
	p := create(t, s, "u")
	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	history := "{roomcast}:history:" + p.ID
	require.True(t, rdb.Persist(ctx(t), history).Val(), "it knows nothing of that key")
	require.Eventually(t, func() bool {
		return s.Trim(ctx(t)) == nil && rdb.Exists(ctx(t), history).Val() == 0
	}, patience, 5*time.Millisecond)
}
