package store_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// damages are what may have become of a record by other hands than ours.
var damages = map[string]func(t *testing.T, rdb redisconn.Client, p tasks.Push){
	"an epoch that is no number":   field("epoch", "x"),
	"a spec that is no JSON":       field("spec", "{"),
	"a time that is no number":     field("created_at", "yesterday"),
	"a position that is no number": field("progress", "1795000000123 far"),
	"a progress that is too short": field("progress", "1795000000123 1000"),
	"a progress of no numbers":     field("progress", "far"),
	"a state nobody knows":         field("state", "dancing"),
	"warnings that are no list":    field("warnings", "7"),
	"a desired nobody knows":       field("desired", "fly"),
	"no id": func(t *testing.T, rdb redisconn.Client, p tasks.Push) {
		require.NoError(t, rdb.HDel(ctx(t), "{roomcast}:push:"+p.ID, "id").Err())
	},
	"no state": func(t *testing.T, rdb redisconn.Client, p tasks.Push) {
		require.NoError(t, rdb.HDel(ctx(t), "{roomcast}:push:"+p.ID, "state").Err())
	},
	"no app": func(t *testing.T, rdb redisconn.Client, p tasks.Push) {
		require.NoError(t, rdb.HDel(ctx(t), "{roomcast}:push:"+p.ID, "sdk_app_id").Err())
	},
}

func field(fields ...any) func(*testing.T, redisconn.Client, tasks.Push) {
	return func(t *testing.T, rdb redisconn.Client, p tasks.Push) { set(t, rdb, p.ID, fields...) }
}

func TestDamagedRecordEndsAsFailedAndFreesWhatItHeld(t *testing.T) {
	for name, damage := range damages {
		for _, held := range []bool{false, true} {
			t.Run(map[bool]string{true: "held, ", false: "queued, "}[held]+name, func(t *testing.T) {
				s, rdb := fresh(t, store.Config{})
				p := create(t, s, "u")
				if held {
					claim(t, s, p, "w")
				}
				damage(t, rdb, p)
				expire(t, rdb, p.ID)
				found := expired(t, s, 1)
				require.Error(t, found[0].Damage)
				taken, err := s.Takeover(ctx(t), found[0])
				require.NoError(t, err)
				require.Equal(t, tasks.Taken{State: tasks.Failed}, taken)
				got := get(t, s, p.ID)
				require.Equal(t, tasks.Failed, got.State)
				require.Equal(t, tasks.CodeInternal, got.Failure.Code)
				require.NotEmpty(t, got.Failure.Message)
				requireEnded(t, rdb, p)
				expired(t, s, 0)
				create(t, s, "u")
			})
		}
	}
}

func TestDamagedRecordIsNotPreparedByTheNextAttempt(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			l, next := handing(t, s)
			announce(t, s, l)
			damage(t, rdb, get(t, s, l.ID))
			_, err := tryClaim(ctx(t), s, next, tasks.Place{})
			require.Error(t, err)
			require.NotErrorIs(t, err, tasks.ErrHandover)
			expire(t, rdb, l.ID)
			taken, err := s.Takeover(ctx(t), expired(t, s, 1)[0])
			require.NoError(t, err)
			require.Equal(t, tasks.Taken{State: tasks.Failed}, taken)
			_, err = s.Announce(ctx(t), l)
			require.ErrorIs(t, err, tasks.ErrStale)
			require.ErrorIs(t, s.Ready(ctx(t), next), tasks.ErrStale)
		})
	}
}

func TestDamagedRecordIsShownAndListedAsFarAsItCanBeRead(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			p := create(t, s, "u")
			damage(t, rdb, p)
			got := get(t, s, p.ID)
			require.Equal(t, p.ID, got.ID)
			require.Equal(t, tasks.Queued, got.State)
			require.Equal(t, tasks.DesiredRun, got.Desired)
			require.Equal(t, "record_damaged", got.Warnings[0].Code)
			page, err := s.List(ctx(t), tasks.Filter{Limit: 10})
			require.NoError(t, err)
			require.Equal(t, []tasks.Push{got}, page.Pushes)
			_, err = s.Events(ctx(t), p.ID)
			require.NoError(t, err)
		})
	}
}

func TestDamagedRecordCanBeStopped(t *testing.T) {
	for name, damage := range damages {
		for _, held := range []bool{false, true} {
			t.Run(map[bool]string{true: "held, ", false: "queued, "}[held]+name, func(t *testing.T) {
				s, rdb := fresh(t, store.Config{})
				p := create(t, s, "u")
				if held {
					claim(t, s, p, "w")
				}
				damage(t, rdb, p)
				got, err := s.Stop(ctx(t), p.ID)
				require.NoError(t, err)
				require.Equal(t, held, got.State == tasks.Stopping, got.State)
				if held {
					expire(t, rdb, p.ID)
					taken, err := s.Takeover(ctx(t), expired(t, s, 1)[0])
					require.NoError(t, err)
					require.Equal(t, tasks.Taken{State: tasks.Stopped}, taken)
				}
				require.Equal(t, tasks.Stopped, get(t, s, p.ID).State)
				requireEnded(t, rdb, p)
				create(t, s, "u")
			})
		}
	}
}

func TestKeyThatHoldsNoRecordHoldsUpNobody(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	odd, sound := create(t, s, "u"), create(t, s, "v")
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+odd.ID).Err())
	require.NoError(t, rdb.Set(ctx(t), "{roomcast}:push:"+odd.ID, "x", 0).Err())
	page, err := s.List(ctx(t), tasks.Filter{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Pushes, 1)
	l := claim(t, s, sound, "w")
	verdicts, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, []tasks.Renewal{{Lease: lease(odd, "w"), State: tasks.Publishing}, {Lease: l, State: tasks.Publishing}})
	require.NoError(t, err)
	require.Equal(t, []tasks.Verdict{tasks.Gone, tasks.Kept}, verdicts)
	expire(t, rdb, odd.ID)
	expire(t, rdb, sound.ID)
	require.Equal(t, sound.ID, expired(t, s, 1)[0].ID)
	require.Equal(t, []string{sound.ID}, rdb.ZRange(ctx(t), "{roomcast}:live", 0, -1).Val())
	require.Zero(t, rdb.Exists(ctx(t), "{roomcast}:queued").Val())
}

func TestDamagedRecordOfARunningPushIsLeftToItsWorker(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{})
			p := create(t, s, "u")
			l := claim(t, s, p, "w")
			expire(t, rdb, p.ID)
			damage(t, rdb, p)
			seen := expired(t, s, 1)[0]
			require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second)}))
			_, err := s.Takeover(ctx(t), seen)
			require.ErrorIs(t, err, tasks.ErrHeld, "renewed meanwhile")
			require.Equal(t, tasks.Publishing, get(t, s, p.ID).State)
			require.NoError(t, finish(t, s, l, tasks.End{State: tasks.Completed}))
			require.Equal(t, tasks.Completed, get(t, s, p.ID).State)
			requireEnded(t, rdb, p)
		})
	}
}

func TestRenewalThatCannotBeWrittenIsKeptWithoutThatPartAndSaysSo(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	odd, sound := claim(t, s, create(t, s, "u"), "w"), claim(t, s, create(t, s, "v"), "w")
	source := &tasks.SourceReport{Kind: "vod", Container: "mov", Tracks: []tasks.TrackReport{{Type: "video", FPS: math.NaN()}}}
	oddProgress := progress(time.Second)
	oddProgress.FPS = math.Inf(1)
	verdicts, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, []tasks.Renewal{
		{Lease: odd, State: tasks.Publishing, Started: time.Now(), Progress: oddProgress, Source: source},
		{Lease: sound, State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second)},
	})
	require.NoError(t, err)
	require.Equal(t, []tasks.Verdict{tasks.Kept, tasks.Kept}, verdicts)
	require.Equal(t, tasks.Publishing, get(t, s, sound.ID).State)
	got := get(t, s, odd.ID)
	require.Equal(t, time.Second, got.Progress.Position)
	require.Zero(t, got.Progress.FPS)
	require.Nil(t, got.Source)
	events, err := s.Events(ctx(t), odd.ID)
	require.NoError(t, err)
	var codes []string
	for _, e := range events {
		codes = append(codes, e.Code)
	}
	require.Contains(t, codes, "report_incomplete")
}
