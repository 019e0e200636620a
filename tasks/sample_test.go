package tasks

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

func TestASampleHasTheMeanOfItsTimeAndTheLatestPacket(t *testing.T) {
	var sent media.Sent
	since := func() media.Sent {
		was := sent
		sent = media.Sent{}
		return was
	}
	begin := time.Now()
	var s samples
	sent = media.Sent{Bytes: 1 << 40, Pictures: 1 << 40, Lateness: time.Hour} // before the first look: of no sample
	s.look(begin, since)
	for second := 1; second <= 21; second++ {
		sent.Bytes += 125_000
		sent.Pictures += 25
		sent.Lateness = max(sent.Lateness, time.Duration(second)*time.Millisecond)
		sent.Dropped += 2
		s.look(begin.Add(time.Duration(second)*time.Second+500*time.Millisecond), since) // each renew comes late
	}
	require.Equal(t, []Sample{
		{At: begin.Add(10500 * time.Millisecond), Bitrate: 952_380, FPS: 250 / 10.5, Lateness: 10 * time.Millisecond, DroppedPackets: 20},
		{At: begin.Add(20500 * time.Millisecond), Bitrate: 1_000_000, FPS: 25, Lateness: 20 * time.Millisecond, DroppedPackets: 20},
	}, s.untold)
}

func TestASampleIsTakenEveryTenSecondsFromTheFirstPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Minute+500*time.Millisecond), queued("a"))
		defer w.close()
		require.NoError(t, <-w.handle(Task{ID: "a", Epoch: 1}))
		all := sampled(w)
		require.Len(t, all, 6, "each is told once")
		end, _ := w.store.ended("a")
		require.Empty(t, end.Samples, "half a second is no sample")
		for i := range all[1:] {
			require.Equal(t, SampleEvery, all[i+1].At.Sub(all[i].At))
		}
	})
}

func TestWhatIsLeftAtTheEndOfAnAttemptIsASample(t *testing.T) {
	for name, c := range map[string]struct {
		lasts time.Duration
		last  []time.Duration // when each is taken that the end tells
	}{
		"a short push":                {4500 * time.Millisecond, []time.Duration{4500 * time.Millisecond}},
		"one that ends between two":   {13500 * time.Millisecond, []time.Duration{13500 * time.Millisecond}},
		"one that ends with a sample": {10*time.Second + 20*time.Millisecond, nil},
		"one that ended at once":      {500 * time.Millisecond, nil},
	} {
		for how, finish := range map[string]func(w *world){"finished": func(*world) {}, "released": func(w *world) { w.worker.Close() }} {
			t.Run(name+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin, lasts := time.Now(), c.lasts
					if how == "released" {
						lasts = time.Hour
					}
					w := newWorld(playFor(lasts), queued("a"))
					defer w.close()
					done := w.handle(Task{ID: "a", Epoch: 1})
					time.Sleep(c.lasts)
					finish(w)
					require.NoError(t, <-done)
					end, ok := w.store.ended("a")
					require.True(t, ok)
					var at []time.Duration
					for _, s := range end.Samples {
						at = append(at, s.At.Sub(begin))
					}
					require.Equal(t, c.last, at)
				})
			})
		}
	}
}

func TestSamplesWaitForAStoreThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(playFor(time.Minute+500*time.Millisecond), queued("a"))
		defer w.close()
		done := w.handle(Task{ID: "a", Epoch: 1})
		time.Sleep(5 * time.Second)
		w.store.set(func(s *fakeStore) { s.away = true })
		time.Sleep(35 * time.Second)
		w.store.set(func(s *fakeStore) { s.away, s.late = false, 3 })
		require.NoError(t, <-done)
		var told []Renewal
		for _, r := range w.store.renewed() {
			if len(r.Samples) > 0 {
				told = append(told, r)
			}
		}
		require.Len(t, told[0].Samples, 4, "those of the time before")
		require.Equal(t, told[0].Samples, told[1].Samples, "the first renews came late: nothing of them was written")
		require.Len(t, told[len(told)-1].Samples, 1)
	})
}

func TestAPushThatNeverPublishedHasNoSamples(t *testing.T) {
	a := newAttempt(Lease{ID: "a", Epoch: 1, Worker: "w"}, queued("a"))
	a.meter, a.askRenew = media.NewMeter(0), func() {}
	now := time.Now()
	for i := range 30 {
		require.Empty(t, a.renewal(now.Add(time.Duration(i)*time.Second)).Samples)
	}
}

func TestAWorkerThatStoodStillDoesNotMakeUpForIt(t *testing.T) {
	var s samples
	none := func() media.Sent { return media.Sent{} }
	begin := time.Now()
	for _, at := range []time.Duration{0, 10, 60, 61, 69, 70, 71, 80} {
		s.look(begin.Add(at*time.Second), none)
	}
	var at []time.Duration
	for _, one := range s.untold {
		at = append(at, one.At.Sub(begin)/time.Second)
	}
	require.Equal(t, []time.Duration{10, 60, 70, 80}, at)
	for i := range 2 * MaxSamples {
		s.look(begin.Add(time.Duration(i+10)*SampleEvery), none)
	}
	require.Len(t, s.untold, MaxSamples)
	s.told(s.untold[:MaxSamples-1])
	require.Len(t, s.untold, 1)
}

// sampled are the samples of all renews.
func sampled(w *world) (all []Sample) {
	for _, r := range w.store.renewed() {
		all = append(all, r.Samples...)
	}
	return all
}
