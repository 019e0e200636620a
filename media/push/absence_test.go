package push

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/retry"
)

// interrupted plays a clip that breaks after five seconds and is away for ten.
func interrupted(s *stage, coders media.Transcoders) error {
	begin := time.Now()
	return s.playFrom(context.Background(), func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
		if now := time.Since(begin); now > 0 && now < 15*time.Second {
			return nil, refused(ctx)
		}
		f := fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second), Err: &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: io.EOF}}
		if time.Since(begin) == 0 {
			f.FailAt = 5 * time.Second
		}
		return &f, nil
	}, coders)
}

func TestWhileItsSourceIsAwayARoomIsGivenThePictureAndSilence(t *testing.T) {
	for name, mode := range map[string]media.TranscodeMode{"copied": media.TranscodeAuto, "re-encoded": media.TranscodeAlways, "never re-encoded": media.TranscodeNever} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.Transcode, s.job.Options.FillAudio = mode, true
				require.NoError(t, interrupted(s, &fakeCoders{}))
				requireRising(t, s.room.got)
				require.Equal(t, 1, s.room.dials)
				for track, longest := range []time.Duration{clock.FrameHold + silentFor, 2 * silentFor} {
					last := time.Duration(0)
					for _, p := range s.room.of(track) {
						require.LessOrEqual(t, p.at-last, longest+time.Second/2, "track %d at %v", track, last)
						require.InDelta(t, p.at, p.DTS, float64(2*time.Second), "track %d", track)
						last = p.at
					}
				}
				require.Equal(t, []string{"planned", "publishing", "reconnecting source_unavailable"}, s.seen.lines[:3])
				require.Equal(t, "publishing", s.seen.lines[len(s.seen.lines)-1], "when the source is back %v %+v", s.seen.messages, s.job.Meter.Snapshot(time.Now()).Coverage)
				require.NotContains(t, s.seen.lines, "warned hole")
				covered := s.job.Meter.Snapshot(time.Now()).Coverage
				require.InDelta(t, 10*time.Second, covered[media.Video].Taken, float64(time.Second))
				require.InDelta(t, 10*time.Second, covered[media.Video].Held, float64(2*time.Second))
				require.InDelta(t, 10*time.Second, covered[media.Audio].Filled, float64(2*time.Second))
				require.Zero(t, covered[media.Video].Lost+covered[media.Audio].Lost)
				for i, p := range s.room.of(1)[1:] {
					require.LessOrEqual(t, p.DTS-s.room.of(1)[i].DTS, 45*time.Millisecond, "silence has no holes, at %v", p.DTS)
				}
			})
		})
	}
}

func TestWhileTheNextPlayIsOpenedARoomIsGivenThePictureAndSilence(t *testing.T) {
	const took = 12 * time.Second
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		for _, failing := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.Transcode, s.job.Options.FillAudio, s.job.Options.Repeat = mode, true, 3
				opens := 0
				require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
					if opens++; opens == 1 {
						return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second)}, nil
					}
					if err := retry.Sleep(ctx, took); err != nil {
						return nil, err
					}
					if failing && opens == 2 {
						return nil, refused(ctx)
					}
					return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second)}, nil
				}, &fakeCoders{}))
				requireRising(t, s.room.got)
				require.Equal(t, 1, s.room.dials)
				for track, longest := range []time.Duration{clock.FrameHold + silentFor, 2 * silentFor} {
					last := time.Duration(0)
					for _, p := range s.room.of(track) {
						require.LessOrEqual(t, p.at-last, longest+silentFor, "track %d at %v", track, last)
						last = p.at
					}
				}
				p := s.job.Meter.Snapshot(time.Now())
				require.Equal(t, 2, p.Loop)
				require.Equal(t, 10*time.Second, p.Position)
				for _, c := range p.Coverage {
					require.InDelta(t, 30*time.Second, c.Taken, float64(time.Second), "each play is played whole, and nothing of it twice")
					require.Zero(t, c.Lost)
				}
			})
		}
	}
}

// silentFor is how much silence comes in one piece.
const silentFor = 200 * time.Millisecond

func TestASourceThatStaysAwayIsGivenUpAlthoughSomethingIsShownMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.FillAudio = true
		s.job.Retry = within(time.Minute)
		begin := time.Now()
		require.Equal(t, media.KindSourceUnavailable, media.KindOf(s.playFrom(t.Context(), goesAway(time.Hour, refused), nil)))
		require.InDelta(t, 65, time.Since(begin).Seconds(), 5)
		require.Equal(t, 5*time.Second, s.job.Meter.Snapshot(time.Now()).Position.Round(time.Second))
	})
}

func TestAReencodedLiveSourceThatComesBackBeginsWithAKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.Transcode, s.job.Options.FillAudio = media.TranscodeAlways, true
		begin := time.Now()
		require.ErrorContains(t, s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			switch now := time.Since(begin); {
			case now > 25*time.Second:
				return nil, &media.Error{Kind: media.KindSourceBlocked, Op: "open source", Err: io.EOF}
			case now > 0 && now < 15*time.Second:
				return nil, refused(ctx)
			}
			info := fakesource.Stream(5 * time.Second)
			info.Container = "hls"
			return &fakesource.Source{Ctx: ctx, Of: info}, nil
		}, &fakeCoders{}), "source_blocked")
		last := time.Duration(0)
		for _, p := range s.room.of(0) {
			require.Less(t, p.at-last, 3*time.Second, "no picture at %v", p.at)
			last = p.at
		}
		require.Zero(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
	})
}

func TestTheRestOfALoopIsPlayedOnceAfterTheRoomOfSoundOverBlackBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.FillVideo, s.job.Options.Repeat = true, 3
		s.room.breakAt(15*time.Second, media.KindRoomClosed)
		info := fakesource.Clip(10 * time.Second)
		info.Tracks = info.Tracks[1:]
		begin := time.Now()
		require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			return &fakesource.Source{Ctx: ctx, Of: info}, nil
		}, &fakeCoders{}))
		require.InDelta(t, 30, time.Since(begin).Seconds(), 5)
		p := s.job.Meter.Snapshot(time.Now())
		require.Equal(t, 2, p.Loop)
		require.Equal(t, 10*time.Second, p.Position)
	})
}

func TestAPushThatHasBeenInItsRoomForAsLongAsItMayEndsWithoutItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.MaxDuration, s.job.Stood.Played = time.Minute, time.Minute
		require.NoError(t, s.playFrom(t.Context(), goesAway(time.Hour, refused), nil))
		require.Equal(t, []string{"warned max_duration"}, s.seen.lines)
		require.Equal(t, time.Minute, s.job.Meter.Snapshot(time.Now()).Played)
	})
}
