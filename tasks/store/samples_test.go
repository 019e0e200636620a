package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// sample is the nth of an attempt.
func sample(n int) tasks.Sample {
	return tasks.Sample{
		At: time.UnixMilli(1795000000000 + int64(n)*10000).UTC(), Bitrate: media.BitsPerSecond(2_400_000 + n*1000), FPS: 24.98,
		Lateness: time.Duration(n) * time.Millisecond, DroppedPackets: int64(n),
	}
}

func samples(from, to int) (all []tasks.Sample) {
	for n := from; n <= to; n++ {
		all = append(all, sample(n))
	}
	return all
}

func read(t testing.TB, s *store.Store, id string) []tasks.Sample {
	t.Helper()
	all, err := s.Samples(ctx(t), id)
	require.NoError(t, err)
	return all
}

func TestSamplesReadBackOnceEachInTheirOrder(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	require.Empty(t, read(t, s, p.ID))
	for _, told := range [][]tasks.Sample{samples(1, 1), samples(1, 3), nil, samples(2, 3), samples(3, 5)} { // replies were lost
		require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: told}))
	}
	require.Equal(t, samples(1, 5), read(t, s, p.ID))
}

func TestSamplesAreThoseOfTheLastHour(t *testing.T) {
	s, _ := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	for n := 1; n <= 400; n++ {
		renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(n, n)})
	}
	require.Equal(t, samples(41, 400), read(t, s, p.ID))
}

func TestSamplesGoOnAfterATakeoverWhoseverClockIsBehind(t *testing.T) {
	s, _ := fresh(t, store.Config{Lease: 50 * time.Millisecond})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(11, 12)})
	next := takeover(t, s, expired(t, s, 1)[0])
	require.Equal(t, tasks.Lost, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(13, 13)}), "it may not write")
	p.Epoch = next
	l = claim(t, s, p, "w2")
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(3, 4)}))
	require.Equal(t, append(samples(11, 12), samples(3, 4)...), read(t, s, p.ID))
}

func TestTheEndOfAnAttemptBringsItsLastSamplesOnce(t *testing.T) {
	for name, end := range map[string]func(s *store.Store, l tasks.Lease, r tasks.LastReport) error{
		"finished": func(s *store.Store, l tasks.Lease, r tasks.LastReport) error {
			_, err := s.Finish(ctx(t), l, tasks.End{State: tasks.Completed, LastReport: r})
			return err
		},
		"released": func(s *store.Store, l tasks.Lease, r tasks.LastReport) error {
			_, err := s.Release(ctx(t), l, r)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := fresh(t, store.Config{})
			p := create(t, s, "u")
			l := claim(t, s, p, "w1")
			renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(1, 2)})
			last := tasks.LastReport{Samples: samples(2, 4)}
			require.NoError(t, end(s, l, last))
			require.NoError(t, end(s, l, last), "its answer was lost")
			require.Equal(t, samples(1, 4), read(t, s, p.ID))
			require.ErrorIs(t, end(s, tasks.Lease{ID: p.ID, Epoch: l.Epoch, Worker: "w2"}, tasks.LastReport{Samples: samples(5, 5)}), tasks.ErrStale)
			require.Equal(t, samples(1, 4), read(t, s, p.ID))
		})
	}
}

func TestSamplesAreKeptForADayAfterTheEndAtMost(t *testing.T) {
	for retention, kept := range map[time.Duration]time.Duration{time.Hour: time.Hour, 72 * time.Hour: 24 * time.Hour} {
		s, rdb := fresh(t, store.Config{Retention: retention})
		p := create(t, s, "u")
		l := claim(t, s, p, "w1")
		renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(1, 2)})
		_, err := s.Finish(ctx(t), l, tasks.End{State: tasks.Completed})
		require.NoError(t, err)
		key := "{roomcast}:series:" + p.ID
		require.InDelta(t, kept, rdb.PTTL(ctx(t), key).Val(), float64(time.Minute))
		require.NoError(t, rdb.Del(ctx(t), key).Err())
		require.Empty(t, read(t, s, p.ID), "the record stays without them")
	}
}

func TestSamplesExpireWithTheRecordOfAnEndedPush(t *testing.T) {
	s, rdb := fresh(t, store.Config{Retention: time.Hour})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(1, 2)})
	key := "{roomcast}:series:" + p.ID
	require.InDelta(t, 24*time.Hour, rdb.PTTL(ctx(t), key).Val(), float64(time.Minute), "should the record be lost")
	_, err := s.Finish(ctx(t), l, tasks.End{State: tasks.Completed})
	require.NoError(t, err)
	require.Equal(t, samples(1, 2), read(t, s, p.ID))
	require.InDelta(t, time.Hour, rdb.PTTL(ctx(t), key).Val(), float64(time.Minute))
}

func TestSamplesThatCannotBeWrittenCostNoLease(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	require.NoError(t, rdb.Set(ctx(t), "{roomcast}:series:"+p.ID, "no list", 0).Err())
	require.Equal(t, tasks.Kept, renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(1, 1)}))
	require.Equal(t, tasks.Publishing, get(t, s, p.ID).State)
}

func TestAnHourOfSamplesTakesLittleMemory(t *testing.T) {
	s, rdb := fresh(t, store.Config{})
	p := create(t, s, "u")
	l := claim(t, s, p, "w1")
	for n := 1; n <= 2*tasks.MaxSamples; n++ {
		renew(t, s, tasks.Renewal{Lease: l, State: tasks.Publishing, Samples: samples(n, n)})
	}
	size := rdb.MemoryUsage(ctx(t), "{roomcast}:series:"+p.ID, 0).Val()
	t.Logf("%d bytes", size)
	require.Positive(t, size)
	require.Less(t, size, int64(20_000))
}

// One renew in ten has a sample of each push; 200 pushes are one call of the
// script.
func BenchmarkRenewTwoHundred(b *testing.B) {
	for name, told := range map[string]int{"without samples": 0, "a sample of each": 1} {
		b.Run(name, func(b *testing.B) {
			s, _ := fresh(b, store.Config{Lease: time.Minute})
			var renewals []tasks.Renewal
			for n := range 200 {
				p := create(b, s, fmt.Sprintf("u%d", n))
				renewals = append(renewals, tasks.Renewal{
					Lease: claim(b, s, p, "w1"), State: tasks.Publishing, Started: time.Now(), Progress: progress(time.Second),
				})
			}
			for n := 0; b.Loop(); n++ {
				for i := range renewals {
					renewals[i].Samples = samples(n, n-1+told)
				}
				verdicts, err := s.Renew(ctx(b), tasks.WorkerReport{Name: "w1"}, renewals)
				require.NoError(b, err)
				require.Equal(b, tasks.Kept, verdicts[0])
			}
		})
	}
}
