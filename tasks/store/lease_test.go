package store_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// recorder keeps the scripts that a client has called, so that a test can call
// them again later: a command whose reply was lost, or that stood in a
// connection's buffer for long.
type recorder struct {
	calls [][]any
	hold  bool // pipelines stand still: they are kept and not sent
}

var errHeldUp = errors.New("the connection stands still")

func (r *recorder) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (r *recorder) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		r.note(cmd)
		return next(ctx, cmd)
	}
}

func (r *recorder) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			r.note(cmd)
			if r.hold {
				cmd.SetErr(errHeldUp)
			}
		}
		if r.hold {
			return errHeldUp
		}
		return next(ctx, cmds)
	}
}

func (r *recorder) note(cmd redis.Cmder) {
	if cmd.Name() == "evalsha" {
		r.calls = append(r.calls, slices.Clone(cmd.Args()))
	}
}

// last returns the latest call.
func (r *recorder) last() []any { return r.calls[len(r.calls)-1] }

// recorded is fresh with a recorder.
func recorded(t testing.TB, cfg store.Config) (*store.Store, redisconn.Client, *recorder) {
	t.Helper()
	_, rdb := fresh(t, cfg)
	if cfg.Lease == 0 {
		cfg.Lease = long
	}
	r, client := &recorder{}, server.Client(t)
	client.AddHook(r)
	return store.New(client, cfg), rdb, r
}

func again(t testing.TB, rdb redisconn.Client, call []any) any {
	t.Helper()
	got, err := rdb.Do(ctx(t), call...).Result()
	require.NoError(t, err)
	return got
}

func TestRenewThatArrivesAfterALaterOneChangesNothing(t *testing.T) {
	s, rdb, calls := recorded(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second)})
	early := calls.last()
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Reconnecting, Started: time.Now(), Progress: progress(2 * time.Second)})
	late := calls.last()
	want := get(t, s, p.ID)
	history := states(t, s, p.ID)
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, p.ID)).Err())

	require.Equal(t, []any{int64(tasks.Late)}, again(t, rdb, early))
	require.Equal(t, want, get(t, s, p.ID))
	require.Equal(t, history, states(t, s, p.ID))
	require.EqualValues(t, 1, rdb.ZScore(ctx(t), "{roomcast}:live", p.ID).Val(), "the lease, too")

	require.Equal(t, []any{int64(tasks.Kept)}, again(t, rdb, late), "one repeated is the same renew")
	require.Greater(t, rdb.ZScore(ctx(t), "{roomcast}:live", p.ID).Val(), 1.0)

	_, err := s.Stop(ctx(t), p.ID)
	require.NoError(t, err)
	require.Equal(t, []any{int64(tasks.Late)}, again(t, rdb, early), "what it carried is not taken for written")
	require.Equal(t, tasks.Stop, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing}), "the next one is told")
}

func TestRenewOfAnEarlierAttemptOfTheSameWorkerIsLost(t *testing.T) {
	s, rdb, calls := recorded(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing})
	early := calls.last()
	next, err := s.Release(ctx(t), l, tasks.LastReport{Progress: progress(0)})
	require.NoError(t, err)
	claim(t, s, tasks.Push{ID: p.ID, Epoch: next}, "w")
	want := get(t, s, p.ID)
	require.Equal(t, []any{int64(tasks.Lost)}, again(t, rdb, early))
	require.Equal(t, want, get(t, s, p.ID))
}

func TestTakeoverWhoseReplyWasLostAnswersTheSameUntilSomebodyClaims(t *testing.T) {
	s, rdb, calls := recorded(t, store.Config{})
	p := create(t, s, "u")
	claim(t, s, p, "w")
	vanish(t, s, rdb, p)
	call := calls.last()
	require.Equal(t, []any{"ok", "queued", "2"}, again(t, rdb, call))
	require.Equal(t, 1, get(t, s, p.ID).Strikes, "one strike")
	_, err := s.Takeover(ctx(t), tasks.Expired{ID: p.ID, Expiry: 1, Push: p})
	require.ErrorIs(t, err, tasks.ErrHeld, "another sweeper's call is another")
	claim(t, s, get(t, s, p.ID), "w")
	require.Equal(t, []any{"held"}, again(t, rdb, call))
}

// A clock set back by as little as this keeps a dead worker's pushes from being
// taken over for no longer than two leases, or two graces of a queued push.
func TestLeaseThatAClockSetBackMadeLongIsCut(t *testing.T) {
	for name, tt := range map[string]struct {
		lease, left, want time.Duration
	}{
		"one that may be a grace that has just begun": {short, 19 * time.Second, 19 * time.Second},
		"one of a clock set back by half a minute":    {short, 30 * time.Second, 10 * time.Second},
		"one of a clock set back by years":            {short, 1e5 * time.Hour, 10 * time.Second},
		"one that another process's lease explains":   {20 * time.Second, 39 * time.Second, 39 * time.Second},
		"one that no lease of ours explains":          {20 * time.Second, 50 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s, rdb := fresh(t, store.Config{Lease: tt.lease, Grace: short})
			p := create(t, s, "u")
			begin := time.Now()
			end := begin.Add(tt.left).UnixMilli()
			endAt(t, rdb, p.ID, end)
			expired(t, s, 0)
			now := graceOf(t, rdb, p.ID).UnixMilli()
			if tt.want == tt.left {
				require.Equal(t, end, now, "it stays")
				return
			}
			require.GreaterOrEqual(t, now, begin.Add(tt.want).UnixMilli())
			require.LessOrEqual(t, now, time.Now().Add(tt.want).UnixMilli())
		})
	}
}

// A lease is held to its last millisecond: who may prepare is told so, and a push that
// is to stop is its worker's to end.
func TestLeaseWithLittleLeftIsHeld(t *testing.T) {
	const left = 900 * time.Millisecond
	s, rdb := fresh(t, store.Config{})
	for name, c := range map[string]struct {
		prepare func(t *testing.T, l tasks.Lease)
		want    error
	}{
		"of a push that is handed over": {func(t *testing.T, l tasks.Lease) { announce(t, s, l) }, tasks.ErrHandover},
		"of a push that is to stop": {func(t *testing.T, l tasks.Lease) {
			_, err := s.Stop(ctx(t), l.ID)
			require.NoError(t, err)
		}, tasks.ErrHeld},
	} {
		t.Run(name, func(t *testing.T) {
			for { // until a claim was answered before the lease was over, on a machine that stands still now and then
				l, next := handing(t, s)
				c.prepare(t, l)
				at, err := rdb.Time(ctx(t)).Result()
				require.NoError(t, err)
				require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(float64(at.Add(left).UnixMilli()), l.ID)).Err())
				_, got := tryClaim(ctx(t), s, next, tasks.Place{})
				if now, err := rdb.Time(ctx(t)).Result(); err == nil && now.Before(at.Add(left)) {
					require.ErrorIs(t, got, c.want)
					return
				}
			}
		})
	}
}

// A sweeper that stood still must not take over what has been given on and has expired
// again: who saw that does.
func TestTakeoverOfALeaseThatHasEndedAnewSinceItWasSeenIsRefused(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	claim(t, s, p, "w")
	expire(t, rdb, p.ID)
	seen := expired(t, s, 1)[0]
	require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(2, p.ID)).Err())
	_, err := s.Takeover(ctx(t), seen)
	require.ErrorIs(t, err, tasks.ErrHeld)
	require.EqualValues(t, 2, takeover(t, s, expired(t, s, 1)[0]))
}
