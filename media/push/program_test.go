package push

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/program"
)

func TestWhatTheRoomDoesNotTakeIsReencodedInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(10 * time.Second), Reorder: true}
		})
		coders := &fakeCoders{}
		begin := time.Now()
		require.NoError(t, s.playWith(t.Context(), coders))
		require.InDelta(t, 10, time.Since(begin).Seconds(), 0.2)
		requireRising(t, s.room.got)
		require.Len(t, s.room.of(0), 250)
		require.InDelta(t, 250, len(s.room.of(1)), 4, "sound from before the first picture is left out")
		require.Equal(t, media.TrackPlan{Action: media.Transcode, Reason: "B-frames", Output: media.Output{Width: 640, Height: 360}}, *s.seen.plan.Video)
		require.Equal(t, media.Copy, s.seen.plan.Audio.Action)
		require.Equal(t, []media.VideoOutput{{Width: 640, Height: 360, FPS: 30, Bitrate: 800_000, KeyInterval: 2 * time.Second}}, coders.video)
		for i, p := range s.room.got[1:] {
			require.GreaterOrEqual(t, p.DTS, s.room.got[i].DTS, "the tracks are interleaved by DTS")
		}
		require.True(t, coders.made[0].closed)
	})
}

func TestBFramesThatBeginInMidStreamChangeThePlanAndLoseNoPicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(10 * time.Second), Reorder: true, ReorderFrom: 5500 * time.Millisecond}
		})
		coders := &fakeCoders{}
		require.NoError(t, s.playWith(t.Context(), coders))
		require.Equal(t, 1, s.room.dials)
		requireRising(t, s.room.got)
		require.Equal(t, []string{"planned", "publishing", "planned"}, s.seen.lines)
		require.Equal(t, media.TrackPlan{Action: media.Transcode, Reason: "B-frames", Output: media.Output{Width: 640, Height: 360}}, *s.seen.plan.Video)
		video := s.room.of(0)
		require.InDelta(t, 250, len(video), 3)
		changed := slices.IndexFunc(video, func(a arrival) bool { return a.Extradata != nil })
		require.Positive(t, changed, "the room is told the new configuration")
		require.InDelta(t, 5500, video[changed].DTS.Milliseconds(), 200)
	})
}

func TestSoundThatCannotBeDecodedIsLeftOutOrMadeUp(t *testing.T) {
	for fill, action := range map[bool]media.Action{true: media.Fill, false: media.Drop} {
		synctest.Test(t, func(t *testing.T) {
			info := fakesource.Clip(3 * time.Second)
			info.Tracks[1].Codec = "qcelp"
			s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info} })
			s.job.Options = media.Options{FillAudio: fill, Repeat: 2}
			require.NoError(t, s.playWith(t.Context(), &fakeCoders{deaf: true}))
			require.Equal(t, media.TrackPlan{Action: media.Copy, Reason: "the room takes it as it is", Output: media.Output{Width: 640, Height: 360}}, *s.seen.plan.Video)
			require.Equal(t, action, s.seen.plan.Audio.Action)
			require.Contains(t, s.seen.plan.Audio.Reason, "codec qcelp cannot be decoded (no decoder)")
			require.Len(t, s.room.of(0), 150)
			require.Equal(t, fill, len(s.room.of(1)) > 0)
			requireRising(t, s.room.got)
		})
	}
}

func TestASourceWithoutAudioGetsSilenceWhenAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Clip(10 * time.Second)
		info.Tracks = info.Tracks[:1]
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info} })
		s.job.Options.FillAudio = true
		require.NoError(t, s.play(t.Context()))
		requireRising(t, s.room.got)
		require.Equal(t, media.Fill, s.seen.plan.Audio.Action)
		require.InDelta(t, 10*48000/1024, len(s.room.of(1)), 3)
		require.Equal(t, []byte(program.SilentAAC), s.room.of(1)[0].Data)
	})
}

func TestASourceWithoutVideoGetsBlackWhenAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Clip(10 * time.Second)
		info.Tracks = info.Tracks[1:]
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info} })
		s.job.Options.FillVideo = true
		require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		requireRising(t, s.room.got)
		require.InDelta(t, 20, len(s.room.of(0)), 1)
		require.True(t, s.room.got[0].Keyframe)
	})
}

// overshot is a source that goes to its last keyframe when it is sought beyond
// its end.
type overshot struct{ *fakesource.Source }

func (s overshot) Seek(pos time.Duration) error {
	return s.Source.Seek(min(pos, s.Of.Duration-fakesource.Frame))
}

func TestALoopOfNothingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options = media.Options{StartAt: 20 * time.Second, Repeat: media.RepeatForever, Transcode: media.TranscodeAlways}
		s.job.Retry = noRetry
		opens := 0
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			opens++
			return overshot{&fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second)}}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Equal(t, media.KindSourceInvalid, media.KindOf(s.playFrom(ctx, open, &fakeCoders{})))
		require.LessOrEqual(t, opens, 2)
	})
}

func TestBlackBeginsWithAKeyframeWhereverTheRoomBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Clip(10 * time.Second)
		info.Tracks = info.Tracks[1:]
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info} })
		s.job.Options.FillVideo = true
		s.room.breakAt(5300*time.Millisecond, media.KindRoomClosed)
		require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		require.Equal(t, 2, s.room.dials)
		requireRising(t, s.room.got)
		again := slices.IndexFunc(s.room.got, func(a arrival) bool { return a.DTS >= 5300*time.Millisecond })
		require.True(t, s.room.got[again].Keyframe)
		require.Zero(t, s.room.got[again].Track)
		require.GreaterOrEqual(t, len(s.room.of(1)), 245, "no sound waits for the next group of pictures")
	})
}

func TestAPictureOfAnotherSizeIsReencodedAtTheBitRateOfItsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(opens int) fakesource.Source {
			f := fakesource.Source{Of: fakesource.Clip(4 * time.Second)}
			if opens == 0 {
				f.FailAt, f.Err = 2*time.Second, &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: io.ErrNoProgress}
			} else {
				f.Of.Tracks[0].Width, f.Of.Tracks[0].Height = 160, 90
			}
			return f
		})
		coders := &fakeCoders{}
		require.NoError(t, s.playWith(t.Context(), coders))
		require.Len(t, coders.video, 1)
		require.Equal(t, [2]int{640, 360}, [2]int{coders.video[0].Width, coders.video[0].Height})
		require.Equal(t, media.BitsPerSecond(800_000), coders.video[0].Bitrate)
	})
}

func TestALoopGoesOnInTheSamePublishWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(4 * time.Second))
		s.job.Options.Repeat = 3
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 12, time.Since(begin).Seconds(), 0.1)
		require.Equal(t, 1, s.room.dials)
		require.Len(t, s.room.got, 600)
		requireRising(t, s.room.got)
		video := s.room.of(0)
		for i := range video[1:] {
			require.InDelta(t, fakesource.Frame.Milliseconds(), (video[i+1].DTS - video[i].DTS).Milliseconds(), 20, "picture %d", i)
		}
		require.Equal(t, 2, s.job.Meter.Snapshot(time.Now()).Loop)
	})
}

func TestALoopOfAReencodedPartKeepsItsEncoder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Options = media.Options{Repeat: 3, Transcode: media.TranscodeAlways, StartAt: 2500 * time.Millisecond, EndAt: 5 * time.Second}
		coders := &fakeCoders{}
		require.NoError(t, s.playWith(t.Context(), coders))
		requireRising(t, s.room.got)
		require.Len(t, coders.made, 2)
		require.Equal(t, 2, coders.made[0].inputs)
		video := s.room.of(0)
		require.InDelta(t, 3*62, len(video), 3, "2.5 s each, begun in the middle of a GOP")
		for i := range video[1:] {
			require.InDelta(t, fakesource.Frame.Milliseconds(), (video[i+1].DTS - video[i].DTS).Milliseconds(), 41, "picture %d", i)
		}
	})
}

func TestAPartOfAFileIsPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Options = media.Options{StartAt: 3 * time.Second, EndAt: 7 * time.Second}
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 4, time.Since(begin).Seconds(), 0.1)
		require.Len(t, s.room.got, 200)
		require.NotContains(t, s.seen.lines, "warned ended_early")
		require.Equal(t, 7*time.Second, s.job.Meter.Snapshot(time.Now()).Position)
	})
}

func TestAPushEndsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Hour))
		s.job.Options.MaxDuration, s.job.Stood.Played = 30*time.Second, 10*time.Second
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 20, time.Since(begin).Seconds(), 0.1)
		require.Contains(t, s.seen.lines, "warned max_duration")
	})
}

func TestAReencodedFileGoesOnWhereItWasWhenTheRoomBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Options.Transcode = media.TranscodeAlways
		s.room.writeErr = func(p media.Packet) error {
			if p.DTS < 4500*time.Millisecond {
				return nil
			}
			return &media.Error{Kind: media.KindRoomClosed, Op: "publish", Err: io.EOF}
		}
		require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		require.Equal(t, 2, s.room.dials)
		requireRising(t, s.room.got)
		again := slices.IndexFunc(s.room.got, func(a arrival) bool { return a.DTS > 4500*time.Millisecond })
		require.True(t, s.room.got[again].Keyframe, "the encoder was asked for one")
		require.InDelta(t, 250, len(s.room.of(0)), 3, "no picture is sent again")
	})
}

func TestARoomThatHangsUpRightAfterThePublishIsAnothersSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Hour))
		s.room.always = func(media.Packet) error { return &media.Error{Kind: media.KindRoomClosed, Op: "publish", Err: io.EOF} }
		s.job.Retry = func(k media.Kind) media.Retry {
			if k == media.KindRoomKicked {
				return media.Retry{}
			}
			return media.Retry{AtOnce: true, First: 500 * time.Millisecond, Max: time.Second, For: time.Minute}
		}
		require.Equal(t, media.KindRoomKicked, media.KindOf(s.play(t.Context())))
		require.Equal(t, 3, s.room.dials)
	})
}

func TestASignatureThatRunsOutIsWarnedAboutTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(65 * time.Minute))
		s.room.expires = time.Now().Add(62 * time.Minute)
		require.NoError(t, s.play(t.Context()))
		require.Equal(t, []string{"planned", "publishing", "warned usersig_expires", "warned usersig_expires"}, s.seen.lines)
	})
}

func TestASourceThatIsMostlyDamagedFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(time.Minute), CorruptFrom: 5 * time.Second}
		})
		s.job.Retry = noRetry
		err := s.play(t.Context())
		require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
		require.ErrorContains(t, err, "damaged")
	})
}

func TestAPictureThatBecomesInterlacedIsReencodedFromThereOn(t *testing.T) {
	for mode, want := range map[media.TranscodeMode]media.TrackPlan{
		media.TranscodeAuto:  {Action: media.Transcode, Reason: "interlaced", Output: media.Output{Width: 640, Height: 360}},
		media.TranscodeNever: {Action: media.Copy, Reason: "it is interlaced, and not to be re-encoded: players may show both fields at once", Output: media.Output{Width: 640, Height: 360}},
	} {
		synctest.Test(t, func(t *testing.T) {
			pictures := groups(moving(0, 10))
			fields := fakesource.Clip(0).Tracks[0]
			fields.Interlaced = true
			pictures[125].Change = &fields
			s := newStage(nil)
			s.job.Options.Transcode = mode
			require.NoError(t, s.playFrom(t.Context(), script{info: fakesource.Clip(10 * time.Second), pictures: pictures}.open, &fakeCoders{}))
			requireRising(t, s.room.got)
			require.Len(t, s.room.of(0), 250)
			require.Equal(t, []string{"planned", "publishing", "planned"}, s.seen.lines)
			require.Equal(t, want, *s.seen.plan.Video)
		})
	}
}
