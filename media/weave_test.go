package media

import (
	"cmp"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fragments gives out a clip as a fragmented file has it: all of one track for
// a while, then all of the other.
type fragments struct {
	*fakeSource
	length time.Duration
	sound  bool                // it comes first
	leave  func(p Packet) bool // packets that are not there; nil: all are
	rate   float64             // media per second of ours, half of it for each track; 0: at once
	ready  []Packet
	err    error
}

func (s *fragments) ReadPacket() (Packet, error) {
	for len(s.ready) == 0 && s.err == nil {
		s.fill()
	}
	if len(s.ready) == 0 {
		return Packet{}, s.err
	}
	p := s.ready[0]
	s.ready = s.ready[1:]
	if s.rate > 0 {
		if err := sleep(s.ctx, time.Duration(float64(p.Duration)/2/s.rate)); err != nil && p.Track == 0 {
			return Packet{}, err
		}
	}
	return p, nil
}

// fill reads a fragment.
func (s *fragments) fill() {
	from := s.next
	for s.next-from < s.length && s.err == nil {
		p, err := s.fakeSource.ReadPacket()
		if s.err = err; err == nil && (s.leave == nil || !s.leave(p)) {
			s.ready = append(s.ready, p)
		}
	}
	slices.SortStableFunc(s.ready, func(a, b Packet) int {
		if s.sound {
			return b.Track - a.Track
		}
		return a.Track - b.Track
	})
}

func (s *stage) playFragments(t *testing.T, coders Transcoders, of fragments) {
	t.Helper()
	info := s.source(0).info
	open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
		f := of
		f.fakeSource = &fakeSource{ctx: ctx, info: info}
		s.opened = append(s.opened, f.fakeSource)
		return &f, nil
	})
	require.NoError(t, s.playFrom(t.Context(), open, coders))
}

// requireOnTime asserts that nothing came later than its DTS by more than most,
// counted from the first packet.
func requireOnTime(t *testing.T, got []arrival, most time.Duration) {
	t.Helper()
	for i := range got { // which are many
		if late := got[i].at - got[0].at - (got[i].DTS - got[0].DTS); late > most {
			require.Fail(t, "it is late", "%v, more than %v: track %d, %v", late, most, got[i].Track, got[i].DTS)
		}
	}
}

func TestTracksOfFragmentsComeTogether(t *testing.T) {
	for name, sound := range map[string]bool{"video first": false, "audio first": true} {
		for _, length := range []time.Duration{time.Second, 6 * time.Second, 15 * time.Second} {
			for _, options := range []Options{{Repeat: 2}, {Repeat: 2, Transcode: TranscodeAlways}, {StartAt: 4 * time.Second}, {Repeat: 2, EndAt: 20 * time.Second}} {
				t.Run(name+" "+length.String()+" "+string(options.Transcode), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(whole(40 * time.Second))
						s.job.Options = options
						s.playFragments(t, &fakeCoders{}, fragments{length: length, sound: sound})
						requireOnTime(t, s.room.got, 0)
						requireRising(t, s.room.got)
						end := cmp.Or(options.EndAt, 40*time.Second)
						want := max(options.Repeat, 1) * int((end-options.StartAt)/frame)
						require.InDelta(t, want, len(s.room.of(0)), 4)
						require.InDelta(t, want, len(s.room.of(1)), 4)
					})
				})
			}
		}
	}
}

func TestALivePlaylistsTracksComeTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := stream(30 * time.Second)
		info.Container = "hls"
		s := newStage(func(int) fakeSource { return fakeSource{info: info} })
		s.job.Retry = func(Kind) Retry { return Retry{} }
		open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			return &fragments{fakeSource: &fakeSource{ctx: ctx, info: info}, length: 6 * time.Second}, nil
		})
		require.Equal(t, KindSourceEnded, KindOf(s.playFrom(t.Context(), open, nil)))
		requireOnTime(t, s.room.got, 0)
		require.Len(t, s.room.got, 1500)
	})
}

func TestAFragmentIsReadBeforeItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(60 * time.Second))
		s.playFragments(t, nil, fragments{length: 6 * time.Second, rate: 2})
		requireOnTime(t, slices.DeleteFunc(s.room.got, func(a arrival) bool { return a.DTS < 12*time.Second }), 0)
	})
}

func TestASourceTooSlowForItsFragmentsSlipsUntilItIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(2 * time.Minute))
		s.playFragments(t, nil, fragments{length: 6 * time.Second, rate: 1.05})
		requireOnTime(t, slices.DeleteFunc(s.room.got, func(a arrival) bool { return a.DTS < time.Minute }), 0)
		require.Less(t, s.job.Meter.Snapshot(time.Now()).Slipped, 6*time.Second)
	})
}

func TestATrackThatDoesNotComeHoldsNothingUp(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(p Packet) bool
	}{
		"it begins late": {leave: func(p Packet) bool { return p.Track == 1 && p.DTS < 10*time.Second }},
		"it ends early":  {leave: func(p Packet) bool { return p.Track == 1 && p.DTS > 10*time.Second }},
		"it is sparse":   {leave: func(p Packet) bool { return p.Track == 1 && p.DTS%(5*time.Second) > 100*time.Millisecond }},
		"there is none":  {leave: func(p Packet) bool { return p.Track == 1 }},
		"pictures are sparse": {leave: func(p Packet) bool {
			return p.Track == 0 && p.DTS%(5*time.Second) != 0
		}},
	} {
		for _, rate := range []float64{0, 1.5, 20} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(whole(60 * time.Second))
					s.playFragments(t, nil, fragments{length: frame, leave: c.leave, rate: rate})
					most, first := time.Duration(0), time.Duration(0)
					if rate > 0 && rate < 2 {
						most, first = weaveWait, weaveWait
					} else if rate > 0 {
						most, first = time.Duration(float64(fileWeave)/rate), time.Duration(float64(fileWeave)/rate)
					}
					t.Logf("%s at %v: first after %v, slipped %v", name, rate, s.room.got[0].at, s.job.Meter.Snapshot(time.Now()).Slipped)
					require.LessOrEqual(t, s.room.got[0].at, first)
					requireOnTime(t, s.room.got, most)
				})
			})
		}
	}
}

// requireNoGap asserts that each track goes on from packet to packet.
func requireNoGap(t *testing.T, got []arrival) {
	t.Helper()
	last := map[int]time.Duration{}
	for _, p := range got {
		require.LessOrEqual(t, p.DTS-last[p.Track], 2*frame, "track %d, after %v", p.Track, last[p.Track])
		last[p.Track] = p.DTS
	}
}

func TestAFragmentThatIsHeldLeavesNoGapWhenTheRoomBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(20 * time.Second))
		s.room.breakAt(4500*time.Millisecond, KindRoomClosed)
		s.playFragments(t, nil, fragments{length: 6 * time.Second})
		require.Equal(t, 2, s.room.dials)
		requireRising(t, s.room.got)
		requireNoGap(t, s.room.got)
	})
}

func TestAFragmentThatBreaksOffIsPlayedOnceItIsWhole(t *testing.T) {
	for _, transcode := range []TranscodeMode{TranscodeAuto, TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(20 * time.Second))
			s.job.Options.Transcode = transcode
			opens := 0
			require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ SourceRequest) (Source, error) {
				f := &fragments{fakeSource: &fakeSource{ctx: ctx, info: clip(20 * time.Second)}, length: 6 * time.Second}
				if opens++; opens == 1 { // of the second fragment there are pictures alone
					f.failAt, f.fakeSource.err = 9*time.Second, &Error{Kind: KindSourceUnavailable, Op: "read source", Err: io.ErrNoProgress}
					f.leave = func(p Packet) bool { return p.Track == 1 && p.DTS >= 6*time.Second }
				}
				return f, nil
			}, &fakeCoders{}))
			require.Equal(t, 2, opens)
			requireRising(t, s.room.got)
			if transcode == TranscodeAuto { // else some pictures were within the decoder
				requireNoGap(t, s.room.got)
			}
			require.Greater(t, len(s.room.of(1)), 495, "no sound is missing")
		})
	}
}

func TestASourceIsReadAheadByAsMuchAsItsTracksAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newPacketQueue(queueLimits{span: time.Second, bytes: 1 << 20, weave: fileWeave})
		ctx, cancel := context.WithCancelCause(t.Context())
		put := [2]int{}
		var writing sync.WaitGroup
		writing.Go(func() {
			for from := 0; ; from += 150 { // fragments of 6 s
				for k := range 300 {
					p := at(from + k%150)
					p.Track = k / 150
					if q.put(ctx, p, false) != nil {
						return
					}
					put[p.Track]++
				}
			}
		})
		for range 2000 {
			synctest.Wait()
			spans := q.spans()
			require.GreaterOrEqual(t, min(spans[0], spans[1]), 6*time.Second-frame)
			require.LessOrEqual(t, max(spans[0], spans[1]), 13*time.Second)
			_, err := q.get(ctx, time.Minute)
			require.NoError(t, err)
		}
		require.Greater(t, put[0]+put[1], 2300)
		cancel(ErrStopped)
		writing.Wait()
	})
}

func TestATrackLeftBehindIsNotReadAheadFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newPacketQueue(queueLimits{span: time.Second, bytes: 1 << 30, weave: fileWeave})
		ctx, cancel := context.WithCancelCause(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() {
			_ = q.put(ctx, Packet{Track: 1}, false)
			for k := 0; q.put(ctx, at(k), false) == nil; k++ {
			}
		})
		synctest.Wait()
		require.InDelta(t, fileWeave, q.buffered(), float64(2*frame))
		for range 600 {
			_, err := q.get(ctx, time.Minute)
			require.NoError(t, err)
			synctest.Wait()
		}
		require.LessOrEqual(t, q.buffered(), time.Second+frame)
		cancel(ErrStopped)
		writing.Wait()
	})
}

func TestWhatIsBufferedOfALivePlaylistIsWhatWasNotGivenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := stream(12 * time.Second)
		info.Container = "hls"
		f := fragments{fakeSource: &fakeSource{info: info}, length: 6 * time.Second}.opened(t, ModeAuto)
		defer f.close()
		m := &mixer{mixerConfig: mixerConfig{rules: (&fakeRoom{}).Rules(), reel: &reel{}, onPlan: func(*feed, Plan) {}}}
		require.NoError(t, m.load(opened{feed: f}))
		synctest.Wait()
		for i := range 500 {
			p, err := m.next(t.Context(), t.Context())
			require.NoError(t, err)
			require.InDelta(t, 12*time.Second-p.DTS, m.buffered(), float64(3*frame), "packet %d", i)
		}
	})
}

// popped is the PTS and DTS of what an intake gives, in frames.
func popped(in *intake) (got [][2]int) {
	for p, ok := in.pop(); ok; p, ok = in.pop() {
		if p.Track == 0 {
			got = append(got, [2]int{int(p.PTS / frame), int(p.DTS / frame)})
		}
	}
	return got
}

// With B-frames, the first pictures behind a hole have the DTS of those before it
// where these are made of the PTS (Matroska), or the hole was cut (mp4).
func TestAPictureThatIsShownBehindAHoleIsNotDecodedBeforeIt(t *testing.T) {
	for name, c := range map[string]struct{ pictures, want [][2]int }{ // PTS and DTS
		"B-frames":       {[][2]int{{2, 0}, {1, 1}, {4, 2}, {3, 3}}, [][2]int{{2, 0}, {1, 1}, {4, 2}, {3, 3}}},
		"a hole":         {[][2]int{{1, 0}, {100, 1}, {102, 2}, {101, 100}, {104, 101}}, [][2]int{{1, 0}, {100, 100}, {102, 100}, {101, 100}, {104, 101}}},
		"slides":         {[][2]int{{0, 0}, {100, 0}, {50, 50}, {200, 100}, {150, 150}}, [][2]int{{0, 0}, {100, 50}, {50, 50}, {200, 150}, {150, 150}}},
		"DTS that stay":  {[][2]int{{0, 0}, {100, 1}, {101, 2}, {102, 3}, {103, 20}, {104, 40}}, [][2]int{{0, 0}, {100, 1}, {101, 2}, {102, 3}, {103, 20}, {104, 40}}},
		"DTS that stand": {slices.Repeat([][2]int{{0, 0}, {100, 0}}, 12), slices.Repeat([][2]int{{0, 0}, {100, 0}}, 12)},
		"the last one":   {[][2]int{{0, 0}, {100, 1}}, [][2]int{{0, 0}, {100, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := newIntake(clip(time.Minute).Tracks[:1], false)
			in.lag = 0
			for _, p := range c.pictures {
				in.push(Packet{PTS: time.Duration(p[0]) * frame, DTS: time.Duration(p[1]) * frame})
			}
			got := popped(in)
			require.Equal(t, len(got) < len(c.want), in.holds())
			in.flush()
			require.Equal(t, c.want, append(got, popped(in)...))
			require.False(t, in.holds())
		})
	}
	live := newIntake(clip(time.Minute).Tracks[:1], true)
	live.push(Packet{})
	live.push(Packet{PTS: 100 * frame, DTS: frame})
	require.Len(t, popped(live), 2, "nothing of a live source waits")
}
