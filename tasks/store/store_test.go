package store_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

const (
	patience = 60 * time.Second
	long     = time.Hour // a lease that does not run out in a test
	short    = 10 * time.Millisecond
)

var server *redistest.Server

func TestMain(m *testing.M) {
	os.Exit(redistest.Run(m, func(s *redistest.Server) { server = s }))
}

func ctx(t testing.TB) context.Context {
	c, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return c
}

func fresh(t testing.TB, cfg store.Config) (*store.Store, redisconn.Client) {
	t.Helper()
	rdb := server.Fresh(t)
	if cfg.Lease == 0 {
		cfg.Lease = long
	}
	return store.New(rdb, cfg), rdb
}

func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	require.NoError(t, err)
	return id.String()
}

func newPush(t testing.TB, user string) tasks.NewPush {
	t.Helper()
	return tasks.NewPush{Envelope: "sealed", Push: tasks.Push{ID: newID(t), Spec: tasks.Spec{
		VideoSrc: "https://h/v.mp4", SourceHost: "h", SDKAppID: 1400000001, RoomID: "room", UserID: user,
		ClientRole: "anchor", Redis: true, Mode: media.ModeAuto, ResumeScope: tasks.ResumeScopeSource, ResumeKey: "abc",
	}}}
}

func create(t testing.TB, s *store.Store, user string) tasks.Push {
	t.Helper()
	p, created, err := s.Create(ctx(t), newPush(t, user))
	require.NoError(t, err)
	require.True(t, created)
	return p
}

func lease(p tasks.Push, worker string) tasks.Lease {
	return tasks.Lease{ID: p.ID, Epoch: p.Epoch, Worker: worker}
}

// tryClaim claims one attempt, which may be refused.
func tryClaim(ctx context.Context, s *store.Store, l tasks.Lease, place tasks.Place, keys ...string) (tasks.Claimed, error) {
	answers, err := s.Claims(ctx, []tasks.Claim{{Lease: l, Place: place}}, keys...)
	if err != nil {
		return tasks.Claimed{}, err
	}
	return answers[0].Claimed, answers[0].Err
}

func claim(t testing.TB, s *store.Store, p tasks.Push, worker string) tasks.Lease {
	t.Helper()
	l := lease(p, worker)
	_, err := tryClaim(ctx(t), s, l, tasks.Place{})
	require.NoError(t, err)
	return l
}

func renew(t testing.TB, s *store.Store, r tasks.Renewal) tasks.Verdict {
	t.Helper()
	verdicts, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, []tasks.Renewal{r})
	require.NoError(t, err)
	require.Len(t, verdicts, 1)
	return verdicts[0]
}

// takeover makes the push queued again and returns its next epoch.
func takeover(t testing.TB, s *store.Store, e tasks.Expired) int64 {
	t.Helper()
	taken, err := s.Takeover(ctx(t), e)
	require.NoError(t, err)
	require.Equal(t, tasks.Queued, taken.State)
	return taken.Next
}

func get(t testing.TB, s *store.Store, id string) tasks.Push {
	t.Helper()
	p, err := s.Get(ctx(t), id)
	require.NoError(t, err)
	return p
}

// expired waits for pushes whose lease is over.
func expired(t testing.TB, s *store.Store, want int) []tasks.Expired {
	t.Helper()
	var found []tasks.Expired
	require.Eventually(t, func() bool {
		var err error
		found, err = s.Expired(ctx(t), 1000)
		return err == nil && len(found) >= want
	}, patience, 5*time.Millisecond)
	require.Len(t, found, want)
	return found
}

// states lists the states a push went through, as its events tell.
func states(t testing.TB, s *store.Store, id string) []tasks.State {
	t.Helper()
	events, err := s.Events(ctx(t), id)
	require.NoError(t, err)
	var list []tasks.State
	for _, e := range events {
		require.WithinDuration(t, time.Now(), e.At, patience)
		if e.Type == tasks.EventState {
			list = append(list, e.State)
		}
	}
	return list
}

// requireEnded checks that nothing but the records is left of a push.
func requireEnded(t testing.TB, rdb redisconn.Client, p tasks.Push) {
	t.Helper()
	c := ctx(t)
	tag := "{roomcast}:"
	require.Zero(t, rdb.Exists(c, tag+"secret:"+p.ID, fmt.Sprintf("%suser:%d:%s", tag, p.Spec.SDKAppID, p.Spec.UserID)).Val())
	for _, key := range []string{"live", "queued", "index:active"} {
		require.Error(t, rdb.ZScore(c, tag+key, p.ID).Err(), key)
	}
	for _, key := range []string{tag + "push:" + p.ID, tag + "history:" + p.ID} {
		require.Positive(t, rdb.PTTL(c, key).Val(), "%s expires", key)
	}
}

func TestCreatedPushReadsBackAsItWas(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	n := newPush(t, "u")
	n.Push.Warnings = []tasks.Warning{{Code: "string_room", Message: "m"}}
	p, created, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, p, get(t, s, p.ID))
	require.Equal(t, tasks.Queued, p.State)
	require.Equal(t, tasks.DesiredRun, p.Desired)
	require.EqualValues(t, 1, p.Epoch)
	require.WithinDuration(t, time.Now(), p.CreatedAt, patience)
	require.Equal(t, n.Push.Spec, p.Spec)
	require.Nil(t, p.Progress)
	require.Equal(t, "sealed", rdb.Get(ctx(t), "{roomcast}:secret:"+p.ID).Val())
	require.Equal(t, []tasks.State{tasks.Queued}, states(t, s, p.ID))
}

func TestCreateRepeatedWithTheSameIDIsTheSamePush(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	n := newPush(t, "u")
	first, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	again, created, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, first, again)
	require.Len(t, states(t, s, first.ID), 1)
}

func TestUserIsHeldByOnePushUntilItEnds(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	first := create(t, s, "u")
	_, _, err := s.Create(ctx(t), newPush(t, "u"))
	require.Equal(t, tasks.CodeUserBusy, tasks.CodeOf(err))
	var busy *tasks.Error
	require.ErrorAs(t, err, &busy)
	require.Equal(t, first.ID, busy.Holder)
	create(t, s, "other")
	n := newPush(t, "u")
	n.Push.Spec.SDKAppID++
	_, _, err = s.Create(ctx(t), n)
	require.NoError(t, err, "the same user of another app")
	_, err = s.Stop(ctx(t), first.ID)
	require.NoError(t, err)
	create(t, s, "u")
}

func TestUserIsFreeWhenItsHoldersRecordIsGoneOrTerminal(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	first := create(t, s, "u")
	require.NoError(t, rdb.Del(ctx(t), "{roomcast}:push:"+first.ID).Err())
	second := create(t, s, "u")
	require.NoError(t, rdb.HSet(ctx(t), "{roomcast}:push:"+second.ID, "state", "failed").Err())
	third := create(t, s, "u")
	// Somebody else's claim is not freed by the end of an older push.
	require.NoError(t, rdb.HSet(ctx(t), "{roomcast}:push:"+second.ID, "state", "queued").Err())
	_, err := s.Stop(ctx(t), second.ID)
	require.NoError(t, err)
	_, _, err = s.Create(ctx(t), newPush(t, "u"))
	require.Equal(t, tasks.CodeUserBusy, tasks.CodeOf(err))
	require.Equal(t, third.ID, rdb.Get(ctx(t), "{roomcast}:user:1400000001:u").Val())
}

func TestOfManyCreatesForOneUserOneWins(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	var won, busy sync.Map
	var wg sync.WaitGroup
	for range 50 {
		n := newPush(t, "u")
		wg.Go(func() {
			p, _, err := s.Create(ctx(t), n)
			if err == nil {
				won.Store(p.ID, true)
			} else if tasks.CodeOf(err) == tasks.CodeUserBusy {
				busy.Store(n.Push.ID, true)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, size(&won))
	require.Equal(t, 49, size(&busy))
}

func size(m *sync.Map) (n int) {
	m.Range(func(any, any) bool { n++; return true })
	return n
}

func TestAbortFreesUserAndIdempotencyKeyAndEndsAsFailed(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	n := newPush(t, "u")
	n.IdempotencyKey, n.BodyDigests = "k", []string{"d"}
	p, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	failure := tasks.Failure{Code: tasks.CodeQueueUnavailable, Message: "m", Retryable: true}
	require.NoError(t, s.Abort(ctx(t), p.ID, failure))
	got := get(t, s, p.ID)
	require.Equal(t, tasks.Failed, got.State)
	require.Equal(t, &failure, got.Failure)
	require.False(t, got.EndedAt.IsZero())
	requireEnded(t, rdb, p)
	n.Push.ID = newID(t)
	_, created, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, s.Abort(ctx(t), p.ID, tasks.Failure{Code: "other"}), "repeating it changes nothing")
	require.Equal(t, &failure, get(t, s, p.ID).Failure)
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(s.Abort(ctx(t), newID(t), failure)))
}

func TestUnknownPushIsNotFoundEverywhere(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	id := newID(t)
	_, err := s.Get(ctx(t), id)
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err))
	_, err = s.Stop(ctx(t), id)
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err))
	_, err = s.Events(ctx(t), id)
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err))
	_, err = s.Samples(ctx(t), id)
	require.Equal(t, tasks.CodeNotFound, tasks.CodeOf(err))
	l := tasks.Lease{ID: id, Epoch: 1, Worker: "w"}
	_, err = tryClaim(ctx(t), s, l, tasks.Place{})
	require.ErrorIs(t, err, tasks.ErrGone)
	require.Equal(t, tasks.Gone, renew(t, s, tasks.Renewal{Lease: l}))
	require.ErrorIs(t, finish(t, s, l, tasks.End{State: tasks.Completed}), tasks.ErrGone)
	_, err = s.Release(ctx(t), l, tasks.LastReport{})
	require.ErrorIs(t, err, tasks.ErrGone)
	_, err = s.Takeover(ctx(t), tasks.Expired{ID: id})
	require.ErrorIs(t, err, tasks.ErrHeld)
}

func TestRedisAwayIsStoreUnavailableAndRetryable(t *testing.T) {
	own := redistest.New(t, redistest.Config{})
	s := store.New(own.Client(t), store.Config{})
	p := create(t, s, "u")
	own.Kill()
	_, getErr := s.Get(ctx(t), p.ID)
	_, _, createErr := s.Create(ctx(t), newPush(t, "v"))
	_, renewErr := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, []tasks.Renewal{{Lease: lease(p, "w")}})
	_, listErr := s.List(ctx(t), tasks.Filter{})
	_, expiredErr := s.Expired(ctx(t), 1)
	_, eventsErr := s.Events(ctx(t), p.ID)
	for name, err := range map[string]error{
		"get": getErr, "create": createErr, "renew": renewErr, "list": listErr, "expired": expiredErr, "events": eventsErr,
	} {
		var e *tasks.Error
		require.ErrorAs(t, err, &e, name)
		require.Equal(t, tasks.CodeRedisUnavailable, e.Code, name)
		require.True(t, e.Retryable, name)
	}
}

func TestScriptsThatAServerForgotAreLoadedAgain(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	require.NoError(t, rdb.ScriptFlush(ctx(t)).Err())
	l := claim(t, s, p, "w")
	require.NoError(t, rdb.ScriptFlush(ctx(t)).Err())
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}))
}

func TestNoSecretOutsideTheEnvelope(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	n := newPush(t, "u")
	n.Envelope = "CANARY-ENVELOPE"
	n.IdempotencyKey, n.BodyDigests = "CANARY-KEY", []string{"d"}
	p, _, err := s.Create(ctx(t), n)
	require.NoError(t, err)
	l := claim(t, s, p, "w")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second)})
	require.Equal(t, []string{"{roomcast}:secret:" + p.ID}, keysWith(t, rdb, "CANARY"))
	require.NoError(t, finish(t, s, l, tasks.End{State: tasks.Completed}))
	require.Empty(t, keysWith(t, rdb, "CANARY"))
}

// keysWith scans the whole database.
func keysWith(t testing.TB, rdb redisconn.Client, text string) (found []string) {
	t.Helper()
	for _, key := range rdb.Keys(ctx(t), "*").Val() {
		raw, err := rdb.Dump(ctx(t), key).Result()
		require.NoError(t, err)
		if strings.Contains(key+raw, text) || strings.Contains(fmt.Sprint(rdb.HGetAll(ctx(t), key).Val()), text) {
			found = append(found, key)
		}
	}
	return found
}

func progress(position time.Duration) media.Progress {
	return media.Progress{
		Position: position, Duration: time.Minute, Unclocked: true, Bitrate: 1_500_000, FPS: 29.97, SentBytes: 12345,
		DroppedPackets: 2, Reconnects: 1, LatenessP99: 7 * time.Millisecond, Loop: 3, Played: 90 * time.Second,
		Coverage: [2]media.Coverage{
			{Taken: 8 * time.Second, Held: 3 * time.Second, Lost: time.Second, Until: 12345 * time.Millisecond, Play: 3}, {Taken: time.Second, Filled: 2 * time.Second, Play: 2},
		},
		UpdatedAt: time.UnixMilli(1795000000123).UTC(),
	}
}
