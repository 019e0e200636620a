package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

func TestCreateStopPairsRacingWithTwoWorkersAllEndStopped(t *testing.T) {
	const pairs = 200
	s, rdb := fresh(t, store.Config{})
	tasksOf := map[string]chan tasks.Lease{"w1": make(chan tasks.Lease, pairs), "w2": make(chan tasks.Lease, pairs)}
	var workers sync.WaitGroup
	for name, queue := range tasksOf {
		for range 8 {
			workers.Go(func() { playUntilStopped(t, s, name, queue) })
		}
	}
	ids := make([]string, pairs)
	var clients sync.WaitGroup
	for i := range pairs {
		clients.Go(func() {
			p := create(t, s, fmt.Sprintf("user%d", i))
			ids[i] = p.ID
			if rand.N(2) == 0 { // half of the doorbells ring before the stop, half after
				for _, q := range tasksOf {
					q <- tasks.Lease{ID: p.ID, Epoch: 1}
				}
			}
			if _, err := s.Stop(ctx(t), p.ID); err != nil {
				t.Error(err)
			}
			for _, q := range tasksOf {
				select {
				case q <- tasks.Lease{ID: p.ID, Epoch: 1}:
				default:
				}
			}
		})
	}
	clients.Wait()
	for _, q := range tasksOf {
		close(q)
	}
	workers.Wait()
	for _, id := range ids {
		p := get(t, s, id)
		require.Equal(t, tasks.Stopped, p.State)
		requireEnded(t, rdb, p)
	}
	require.Zero(t, rdb.Exists(ctx(t), "{roomcast}:live", "{roomcast}:queued", "{roomcast}:index:active").Val())
	require.Empty(t, rdb.Keys(ctx(t), "{roomcast}:secret:*").Val())
	require.Empty(t, rdb.Keys(ctx(t), "{roomcast}:user:*").Val())
}

// playUntilStopped is a worker: it claims, publishes until it is told to stop,
// and finishes.
func playUntilStopped(t *testing.T, s *store.Store, name string, queue <-chan tasks.Lease) {
	for l := range queue {
		l.Worker = name
		if _, err := tryClaim(ctx(t), s, l, tasks.Place{}); err != nil {
			continue
		}
		for verdict := tasks.Kept; verdict == tasks.Kept; {
			verdicts, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, []tasks.Renewal{{Lease: l, State: tasks.Publishing, Started: time.Now()}})
			if err != nil {
				t.Error(err)
				return
			}
			verdict = verdicts[0]
		}
		if err := finish(t, s, l, tasks.End{State: tasks.Stopped}); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
}

func TestRenewOfFiveHundredPushesAnswersInOrder(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	rs := manyRenewals(t, s, 500)
	stop := map[int]bool{0: true, 199: true, 200: true, 399: true, 499: true}
	for i := range stop {
		_, err := s.Stop(ctx(t), rs[i].Lease.ID)
		require.NoError(t, err)
	}
	rs[3].Lease.ID = newID(t)
	verdicts, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, rs)
	require.NoError(t, err)
	require.Len(t, verdicts, 500)
	for i, v := range verdicts {
		want := tasks.Kept
		if stop[i] {
			want = tasks.Stop
		} else if i == 3 {
			want = tasks.Gone
		}
		require.Equal(t, want, v, "push %d", i)
	}
	none, err := s.Renew(ctx(t), tasks.WorkerReport{Name: "w"}, nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func manyRenewals(t testing.TB, s *store.Store, n int) []tasks.Renewal {
	t.Helper()
	rs := make([]tasks.Renewal, n)
	for i := range rs {
		l := claim(t, s, create(t, s, fmt.Sprintf("user%d", i)), "w")
		rs[i] = tasks.Renewal{Lease: l, State: tasks.Publishing, Progress: progress(time.Second), Started: time.Now()}
	}
	return rs
}

func BenchmarkRenew(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("pushes=%d", n), func(b *testing.B) {
			s, _ := fresh(b, store.Config{})
			rs := manyRenewals(b, s, n)
			for b.Loop() {
				if _, err := s.Renew(ctx(b), tasks.WorkerReport{Name: "w"}, rs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/push")
		})
	}
}
