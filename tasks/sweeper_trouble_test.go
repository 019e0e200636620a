package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// roughRedis is a SweepStore, Queue and Inspector in which one call stands still or
// fails, once.
type roughRedis struct {
	*fakeSweeps
	*fakeQueue
	call  string // the name of its method
	stall time.Duration
	err   error
}

func (r *roughRedis) meet(call string) error {
	if call != r.call {
		return nil
	}
	r.call = ""
	time.Sleep(r.stall)
	return r.err
}

func (r *roughRedis) Takeover(ctx context.Context, e Expired) (Taken, error) {
	if err := r.meet("Takeover"); err != nil {
		return Taken{}, err
	}
	return r.fakeSweeps.Takeover(ctx, e)
}

func (r *roughRedis) Enqueue(ctx context.Context, t Task, resume bool) error {
	return cmp.Or(r.meet("Enqueue"), r.fakeQueue.Enqueue(ctx, t, resume))
}

func (r *roughRedis) Defer(ctx context.Context, e Expired, d time.Duration) error {
	return cmp.Or(r.meet("Defer"), r.fakeSweeps.Defer(ctx, e, d))
}

func (r *roughRedis) Waits(ctx context.Context, t Task) (bool, error) {
	return true, r.meet("Waits")
}

// newRoughSweep returns a sweeper that has seen the push "a" once, and what it
// asks, of which one call is going to make trouble.
func newRoughSweep(state State, call string, trouble func(*roughRedis)) (*roughRedis, *Sweeper) {
	store, queue, s := newSweep(state)
	rough := &roughRedis{fakeSweeps: store, fakeQueue: queue, call: call}
	trouble(rough)
	s.Store, s.Queue, s.Inspector = rough, rough, rough
	s.ended = time.Now()
	s.look(context.Background(), store.expired)
	return rough, s
}

var roughTroubles = map[string]func(*roughRedis){
	"fails":        func(r *roughRedis) { r.err = errors.New("away") },
	"stands still": func(r *roughRedis) { r.stall = 5 * time.Second },
	"is refused after it stood still": func(r *roughRedis) {
		r.stall, r.err = 5*time.Second, ErrHeld
	},
}

// Whatever a look asks Redis can be what Redis freezes in: all leases look old
// then, and those who hold them need time to renew.
func TestTroubleWithinALookHoldsTakeoversOffForTwoLeases(t *testing.T) {
	for call, state := range map[string]State{
		"Takeover": Publishing, "Enqueue": Publishing,
		"Waits": Queued, "Defer": Queued,
	} {
		for name, trouble := range roughTroubles {
			t.Run(call+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r, s := newRoughSweep(state, call, trouble)
					s.sweep(t.Context())
					require.Empty(t, r.call, "it was called")
					r.taken, r.expired = nil, nil
					for i := range 5 {
						r.expired = append(r.expired, running(fmt.Sprint("live", i)))
					}
					begin := time.Now()
					for len(r.taken) == 0 {
						s.sweep(t.Context()) // the tick of a long look is due at once
						time.Sleep(sweepEvery)
					}
					require.InDelta(t, 6.5, time.Since(begin).Seconds(), 1.1)
					require.GreaterOrEqual(t, time.Since(begin), 2*s.Lease)
				})
			})
		}
	}
}

func running(id string) Expired {
	return Expired{ID: id, Expiry: 500, Push: Push{ID: id, State: Publishing, Desired: DesiredRun, Worker: "w"}}
}

func TestALookEndsWithTheFirstTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRoughSweep(Publishing, "", roughTroubles["fails"])
		r.expired = append(r.expired, running("b"))
		s.look(t.Context(), r.expired)
		r.taken, r.call = nil, "Takeover"
		s.sweep(t.Context())
		require.Empty(t, r.taken)
	})
}

// One push that is damaged in a way of its own must not keep the others from
// being taken over.
func TestAPushThatCannotBeTakenOverHoldsNobodyOff(t *testing.T) {
	for name, refusal := range map[string]error{
		"a renew was faster": ErrHeld, "it has ended": ErrEnded, "its record is gone": ErrGone,
		"a script of ours fails": &Error{Code: CodeInternal, Msg: "a command of the store failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, s := newRoughSweep(Publishing, "", func(r *roughRedis) { r.err = refusal })
				r.expired = append(r.expired, running("b"))
				s.seen["b"] = 500
				r.call = "Takeover"
				s.sweep(t.Context())
				require.Equal(t, []string{"b"}, r.taken)
			})
		})
	}
}

// slowRedis takes a while for each takeover, but stands still in none.
type slowRedis struct{ *fakeSweeps }

func (s slowRedis) Takeover(ctx context.Context, e Expired) (Taken, error) {
	time.Sleep(100 * time.Millisecond)
	return s.fakeSweeps.Takeover(ctx, e)
}

func TestWhatALookHasNoTimeForComesWithTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _, s := newSweep(Publishing)
		s.Store = slowRedis{store}
		store.expired = nil
		for i := range 50 {
			store.expired = append(store.expired, running(fmt.Sprint(i)))
		}
		all := store.expired
		s.sweep(t.Context())
		for range 3 {
			begin := time.Now()
			s.sweep(t.Context())
			require.LessOrEqual(t, time.Since(begin), lookTime+time.Second)
			store.expired = all[len(store.taken):]
		}
		require.Len(t, store.taken, len(all))
	})
}
