package clock

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestAnHourOfMediaTakesAnHourOnAMachineThatWakesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const length = time.Hour
		random := rand.New(rand.NewPCG(1, 2))
		var p Pacer
		begin := time.Now()
		for dts := time.Duration(0); dts <= length; dts += 33_333_333 {
			late, err := p.Wait(t.Context(), dts)
			require.NoError(t, err)
			if off := time.Since(begin) - dts; off != late || off > 950*time.Millisecond {
				t.Fatalf("%v off at %v, and said to be %v late", off, dts, late)
			}
			// A machine that wakes late and a room that takes its time, now and
			// then for most of a second.
			time.Sleep(time.Duration(random.Int64N(int64(30 * time.Millisecond))))
			if random.IntN(2000) == 0 {
				time.Sleep(900 * time.Millisecond)
			}
		}
		require.InDelta(t, length, time.Since(begin), float64(50*time.Millisecond))
		require.Zero(t, p.Slipped())
	})
}

func TestAStallIsNeverFollowedByABurstOfMoreThanASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pacer
		random := rand.New(rand.NewPCG(3, 4))
		var sent []time.Time
		begin, stalled := time.Now(), time.Duration(0)
		for dts := time.Duration(0); dts <= 10*time.Minute; dts += frame {
			_, err := p.Wait(t.Context(), dts)
			require.NoError(t, err)
			sent = append(sent, time.Now())
			if random.IntN(500) == 0 {
				stall := time.Duration(random.Int64N(int64(5 * time.Second)))
				stalled += stall
				time.Sleep(stall)
			}
		}
		for i, at := range sent {
			until, _ := slices.BinarySearchFunc(sent, at.Add(frame/2), time.Time.Compare)
			require.LessOrEqual(t, time.Duration(until-i)*frame, maxSlip+2*frame)
		}
		require.InDelta(t, 10*time.Minute+p.Slipped(), time.Since(begin), float64(maxSlip))
		require.LessOrEqual(t, p.Slipped(), stalled)
		require.Greater(t, p.Slipped(), stalled/2)
	})
}

// segments is a live playlist: its clock is off, its segments are late by up
// to jitter.
type segments struct {
	length, jitter time.Duration
	clock          float64 // media per second of ours
	random         *rand.Rand
	arrived        time.Duration // media that is there
	next           time.Time
	queue          time.Duration // how much of it is seen to be there
}

func newSegments(length, jitter time.Duration, clock float64) *segments {
	// Play begins three segments before the newest.
	return &segments{length: length, jitter: jitter, clock: clock, arrived: 3 * length,
		random: rand.New(rand.NewPCG(5, 6)), next: time.Now().Add(length / 2), queue: time.Hour}
}

// update takes in what has come until now.
func (s *segments) update() {
	for !time.Now().Before(s.next.Add(s.delay())) {
		s.arrived += s.length
		s.next = s.next.Add(time.Duration(float64(s.length) / s.clock))
	}
}

// delay is that of the next segment, the same until it has come.
func (s *segments) delay() time.Duration {
	s.random = rand.New(rand.NewPCG(5, uint64(s.next.UnixNano())))
	return time.Duration(s.random.Int64N(int64(s.jitter)))
}

func TestALivePlaylistsClockIsFollowedForHours(t *testing.T) {
	for name, clock := range map[string]float64{
		"500 ppm slow": 1 - 500e-6, "right": 1, "500 ppm fast": 1 + 500e-6,
	} {
		for _, length := range []time.Duration{2 * time.Second, 6 * time.Second, 10 * time.Second} {
			synctest.Test(t, func(t *testing.T) { followHours(t, name, newSegments(length, length/3, clock)) })
		}
	}
}

func TestALivePlaylistsClockIsFollowedThroughAShortQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSegments(6*time.Second, 2*time.Second, 1+500e-6)
		s.queue = maxBuffer + time.Second
		require.Less(t, followHours(t, "a queue of 7 s", s), maxBuffer+s.length+s.jitter+time.Second)
	})
}

// followHours plays s for three hours and returns the most that was buffered in
// the last one.
func followHours(t *testing.T, name string, s *segments) (most time.Duration) {
	const hours, step = 3 * time.Hour, 40 * time.Millisecond
	var p Pacer
	begin, last := time.Now(), time.Time{}
	least := time.Hour
	for dts := time.Duration(0); time.Since(begin) < hours; dts += step {
		s.update()
		p.Follow(max(0, min(s.arrived-dts, s.queue)))
		for s.arrived <= dts { // dry
			time.Sleep(step)
			s.update()
		}
		if _, err := p.Wait(t.Context(), dts); err != nil { // testify would cost more than all else
			t.Fatal(err)
		}
		if since := time.Since(last); dts > 0 && (since < step*98/100 || since > step*102/100) {
			t.Fatalf("%s, %v: %v between two frames at %v", name, s.length, since, dts)
		}
		last = time.Now()
		if time.Since(begin) > time.Minute {
			least = min(least, s.arrived-dts)
		}
		if time.Since(begin) > hours-time.Hour {
			most = max(most, s.arrived-dts)
		}
	}
	t.Logf("%s, segments of %v: %v to %v buffered, rate %+.0f ppm", name, s.length, least, most, p.drift.rate*1e6)
	require.Zero(t, p.Slipped())
	require.Greater(t, least, time.Second, name)
	require.Less(t, most, 4*s.length, name)
	return most
}

func TestALiveSourceThatRanDryIsNotCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pacer
		begin := time.Now()
		for i := range 1000 {
			p.Follow(2 * time.Second)
			if i == 500 {
				time.Sleep(800 * time.Millisecond)
			}
			_, err := p.Wait(t.Context(), time.Duration(i)*frame)
			require.NoError(t, err)
		}
		require.InDelta(t, 760*time.Millisecond, p.Slipped(), float64(time.Millisecond))
		require.InDelta(t, 999*frame+p.Slipped(), time.Since(begin), float64(time.Millisecond))
	})
}

func TestAResetClockStartsAtTheNextPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pacer
		for _, dts := range []time.Duration{0, frame} {
			_, err := p.Wait(t.Context(), dts)
			require.NoError(t, err)
		}
		time.Sleep(time.Hour) // paused
		p.Reset()
		begin := time.Now()
		for _, dts := range []time.Duration{2 * frame, 3 * frame} {
			late, err := p.Wait(t.Context(), dts)
			require.NoError(t, err)
			require.Zero(t, late)
		}
		require.Equal(t, frame, time.Since(begin))
		require.Zero(t, p.Slipped())
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(media.ErrStopped) })
		var p Pacer
		_, err := p.Wait(ctx, 0)
		require.NoError(t, err)
		_, err = p.Wait(ctx, time.Hour)
		require.ErrorIs(t, err, media.ErrStopped)
	})
}

// BenchmarkPacers runs the pacers of 100 pushes, 30 pictures and 47 sounds a
// second each, for two seconds an iteration.
func BenchmarkPacers(b *testing.B) {
	const pushes, length = 100, 2 * time.Second
	late := make([][]time.Duration, pushes)
	for b.Loop() {
		var playing sync.WaitGroup
		for i := range late {
			packets := muxed(length, 0)
			playing.Go(func() {
				var p Pacer
				_ = p.sleep(b.Context(), time.Duration(i)*331*time.Microsecond) // not all at once
				for _, packet := range packets {
					l, err := p.Wait(b.Context(), packet.DTS)
					if err != nil {
						b.Error(err)
						return
					}
					late[i] = append(late[i], l)
				}
			})
		}
		playing.Wait()
	}
	all := slices.Sorted(slices.Values(slices.Concat(late...)))
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(all[len(all)-1].Microseconds())/1000, "max-ms")
	b.ReportMetric(float64(len(all))/float64(b.N), "packets/op")
}

func TestASourceThatIsNotPacedTellsHowFarItHasFallenBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pacer
		come := func(after, dts time.Duration) time.Duration {
			time.Sleep(after)
			return p.Fall(dts)
		}
		require.Zero(t, come(0, 5*time.Second))
		require.Zero(t, come(0, 7*time.Second), "a burst at first: what a server had in store")
		require.Zero(t, come(time.Second, 8*time.Second))
		require.Equal(t, time.Second, come(2*time.Second, 9*time.Second))
		require.Equal(t, time.Second, come(0, 8500*time.Millisecond), "the other track says nothing")
		require.Equal(t, 500*time.Millisecond, come(500*time.Millisecond, 10*time.Second), "it catches up")
		p.Reset()
		require.Zero(t, come(time.Minute, 3*time.Second))
	})
}

func TestABatchGoesOutAtAMomentThatIsTheSameForAllPushesAndNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pushes sync.WaitGroup
		for begins := range 20 {
			pushes.Go(func() {
				time.Sleep(time.Duration(begins) * 7100 * time.Microsecond)
				var p Pacer
				begin, last := time.Now(), time.Time{}
				for dts := time.Duration(0); dts < time.Minute; {
					end := p.Together(dts)
					late, err := p.WaitForBatch(t.Context(), dts.Truncate(Tick))
					require.NoError(t, err)
					require.Zero(t, late)
					now := time.Now()
					if dts > 0 {
						require.Zero(t, sinceMoment(now), "it woke at %v", now)
						require.GreaterOrEqual(t, now.Sub(last), BatchSpan, "once for each batch")
						last = now
					}
					for ; dts < end; dts += 21_333_333 {
						early := begin.Add(dts.Truncate(Tick)).Sub(now)
						require.GreaterOrEqual(t, early, time.Duration(0))
						require.Less(t, early, BatchSpan)
					}
				}
			})
		}
		pushes.Wait()
	})
}

func TestABatchThatIsLateIsSaidToBeSoByItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pacer
		_, err := p.WaitForBatch(t.Context(), 0)
		require.NoError(t, err)
		time.Sleep(150 * time.Millisecond)
		late, err := p.WaitForBatch(t.Context(), 90*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, 60*time.Millisecond, late)
	})
}
