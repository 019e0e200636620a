package push

import (
	"cmp"
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
)

func (s *stage) playFragments(t *testing.T, coders media.Transcoders, of fakesource.Fragments) {
	t.Helper()
	info := s.source(0).Of
	open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
		f := of
		f.Source = &fakesource.Source{Ctx: ctx, Of: info}
		s.opened = append(s.opened, f.Source)
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
			for _, options := range []media.Options{{Repeat: 2}, {Repeat: 2, Transcode: media.TranscodeAlways}, {StartAt: 4 * time.Second}, {Repeat: 2, EndAt: 20 * time.Second}} {
				t.Run(name+" "+length.String()+" "+string(options.Transcode), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newStage(whole(40 * time.Second))
						s.job.Options = options
						s.playFragments(t, &fakeCoders{}, fakesource.Fragments{Length: length, Sound: sound})
						requireOnTime(t, s.room.got, 0)
						requireRising(t, s.room.got)
						end := cmp.Or(options.EndAt, 40*time.Second)
						want := max(options.Repeat, 1) * int((end-options.StartAt)/fakesource.Frame)
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
		info := fakesource.Stream(30 * time.Second)
		info.Container = "hls"
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info} })
		s.job.Retry = noRetry
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			return &fakesource.Fragments{Source: &fakesource.Source{Ctx: ctx, Of: info}, Length: 6 * time.Second}, nil
		})
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, nil)))
		requireOnTime(t, s.room.got, 0)
		require.Len(t, s.room.got, 1500)
	})
}

func TestAFragmentIsReadBeforeItIsNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(60 * time.Second))
		s.playFragments(t, nil, fakesource.Fragments{Length: 6 * time.Second, Rate: 2})
		requireOnTime(t, slices.DeleteFunc(s.room.got, func(a arrival) bool { return a.DTS < 12*time.Second }), 0)
	})
}

func TestASourceTooSlowForItsFragmentsSlipsUntilItIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(2 * time.Minute))
		s.playFragments(t, nil, fakesource.Fragments{Length: 6 * time.Second, Rate: 1.05})
		requireOnTime(t, slices.DeleteFunc(s.room.got, func(a arrival) bool { return a.DTS < time.Minute }), 0)
		require.Less(t, s.job.Meter.Snapshot(time.Now()).Slipped, 6*time.Second)
	})
}

func TestATrackThatDoesNotComeHoldsNothingUp(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(p media.Packet) bool
	}{
		"it begins late": {leave: func(p media.Packet) bool { return p.Track == 1 && p.DTS < 10*time.Second }},
		"it ends early":  {leave: func(p media.Packet) bool { return p.Track == 1 && p.DTS > 10*time.Second }},
		"it is sparse":   {leave: func(p media.Packet) bool { return p.Track == 1 && p.DTS%(5*time.Second) > 100*time.Millisecond }},
		"there is none":  {leave: func(p media.Packet) bool { return p.Track == 1 }},
		"pictures are sparse": {leave: func(p media.Packet) bool {
			return p.Track == 0 && p.DTS%(5*time.Second) != 0
		}},
	} {
		for _, rate := range []float64{0, 1.5, 20} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStage(whole(60 * time.Second))
					s.playFragments(t, nil, fakesource.Fragments{Length: fakesource.Frame, Leave: c.leave, Rate: rate})
					most, first := time.Duration(0), time.Duration(0)
					if rate > 0 && rate < 2 {
						most, first = clock.AlignWait, clock.AlignWait
					} else if rate > 0 {
						most, first = time.Duration(float64(clock.AlignSpan)/rate), time.Duration(float64(clock.AlignSpan)/rate)
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
		require.LessOrEqual(t, p.DTS-last[p.Track], 2*fakesource.Frame, "track %d, after %v", p.Track, last[p.Track])
		last[p.Track] = p.DTS
	}
}

func TestAFragmentThatIsHeldLeavesNoGapWhenTheRoomBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(20 * time.Second))
		s.room.breakAt(4500*time.Millisecond, media.KindRoomClosed)
		s.playFragments(t, nil, fakesource.Fragments{Length: 6 * time.Second})
		require.Equal(t, 2, s.room.dials)
		requireRising(t, s.room.got)
		requireNoGap(t, s.room.got)
	})
}

func TestAFragmentThatBreaksOffIsPlayedOnceItIsWhole(t *testing.T) {
	for _, transcode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(20 * time.Second))
			s.job.Options.Transcode = transcode
			opens := 0
			require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
				f := &fakesource.Fragments{Source: &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(20 * time.Second)}, Length: 6 * time.Second}
				if opens++; opens == 1 { // of the second fragment there are pictures alone
					f.FailAt, f.Source.Err = 9*time.Second, &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: io.ErrNoProgress}
					f.Leave = func(p media.Packet) bool { return p.Track == 1 && p.DTS >= 6*time.Second }
				}
				return f, nil
			}, &fakeCoders{}))
			require.Equal(t, 2, opens)
			requireRising(t, s.room.got)
			if transcode == media.TranscodeAuto { // else some pictures were within the decoder
				requireNoGap(t, s.room.got)
			}
			require.Greater(t, len(s.room.of(1)), 495, "no sound is missing")
		})
	}
}
