package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// TestEveryPairOfStates puts a record into each state and lets the scripts try
// each other one: what comes out is what the table says.
func TestEveryPairOfStates(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	running := map[tasks.State]bool{tasks.Starting: true, tasks.Publishing: true, tasks.Reconnecting: true}
	for _, from := range tasks.States() {
		for _, to := range tasks.States() {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				p := create(t, s, newID(t))
				l := lease(p, "w")
				desired := tasks.DesiredRun
				if from == tasks.Stopping || from == tasks.Stopped {
					desired = tasks.DesiredStop
				}
				set(t, rdb, p.ID, "state", string(from), "worker", "w", "desired", string(desired))
				verdict := renew(t, s, tasks.Renewal{Lease: l, State: to})
				want := from
				if running[to] && from.CanBecome(to) {
					want = to
				}
				require.Equal(t, want, get(t, s, p.ID).State, "renew")
				switch {
				case from.Terminal():
					require.Equal(t, tasks.Lost, verdict)
				case desired == tasks.DesiredStop:
					require.Equal(t, tasks.Stop, verdict)
				default:
					require.Equal(t, tasks.Kept, verdict)
				}

				set(t, rdb, p.ID, "state", string(from))
				err := finish(t, s, l, tasks.End{State: to})
				got := get(t, s, p.ID).State
				switch {
				case from.Terminal():
					require.ErrorIs(t, err, tasks.ErrStale)
					require.Equal(t, from, got)
				case desired == tasks.DesiredStop:
					require.NoError(t, err)
					require.Equal(t, tasks.Stopped, got)
				case to.Terminal() && (from.CanBecome(to) || to == tasks.Stopped):
					require.NoError(t, err)
					require.Equal(t, to, got)
				default:
					require.Equal(t, tasks.CodeInternal, tasks.CodeOf(err))
					require.Equal(t, from, got)
				}
			})
		}
	}
}

func TestReleaseStopAbortAndTakeoverFromEveryState(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	for _, from := range tasks.States() {
		for name, act := range map[string]func(p tasks.Push) (tasks.State, error){
			"release": func(p tasks.Push) (tasks.State, error) {
				_, err := s.Release(ctx(t), lease(p, "w"), tasks.LastReport{})
				return tasks.Queued, err
			},
			"stop": func(p tasks.Push) (tasks.State, error) {
				_, err := s.Stop(ctx(t), p.ID)
				return tasks.Stopping, err
			},
			"abort": func(p tasks.Push) (tasks.State, error) {
				return tasks.Failed, s.Abort(ctx(t), p.ID, tasks.Failure{Code: "x"})
			},
			"takeover": func(p tasks.Push) (tasks.State, error) {
				_, err := s.Takeover(ctx(t), tasks.Expired{ID: p.ID, Expiry: 1, Push: p})
				return tasks.Queued, err
			},
		} {
			t.Run(name+" from "+string(from), func(t *testing.T) {
				p := create(t, s, newID(t))
				desired := "run"
				if from == tasks.Stopping || from == tasks.Stopped {
					desired = "stop"
				}
				set(t, rdb, p.ID, "state", string(from), "worker", "w", "desired", desired)
				require.NoError(t, rdb.ZAdd(ctx(t), "{roomcast}:live", z(1, p.ID)).Err())
				to, _ := act(p)
				got := get(t, s, p.ID).State
				switch {
				case from.Terminal():
					require.Equal(t, from, got)
				case from == tasks.Stopping && name != "stop" && name != "abort":
					require.Equal(t, tasks.Stopped, got)
				case from.CanBecome(to):
					require.Equal(t, to, got)
				default:
					require.Equal(t, from, got)
				}
			})
		}
	}
}
