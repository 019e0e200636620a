package push

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/program"
)

// told is a plan of an attempt before: what it gave the room.
func told(video, audio media.Output) media.Plan {
	return media.Plan{Video: &media.TrackPlan{Action: media.Copy, Output: video}, Audio: &media.TrackPlan{Action: media.Copy, Output: audio}}
}

func TestAnAttemptGivesTheRoomWhatTheOneBeforeDid(t *testing.T) {
	small, large := media.Output{Width: 640, Height: 360}, media.Output{Width: 1280, Height: 720}
	usual, phone := media.Output{SampleRate: 48000, Channels: 2}, media.Output{SampleRate: 44100, Channels: 1}
	mono := media.Output{SampleRate: 48000, Channels: 1}
	for name, c := range map[string]struct {
		before       media.Plan
		video, audio media.TrackPlan
	}{
		"its first":        {media.Plan{}, media.TrackPlan{Action: media.Copy}, media.TrackPlan{Action: media.Copy}},
		"the same source":  {told(small, usual), media.TrackPlan{Action: media.Copy}, media.TrackPlan{Action: media.Copy}},
		"another size":     {told(large, usual), media.TrackPlan{Action: media.Transcode, Reason: "size changed to 640x360", Output: large}, media.TrackPlan{Action: media.Copy}},
		"another rate":     {told(small, phone), media.TrackPlan{Action: media.Copy}, media.TrackPlan{Action: media.Transcode, Reason: "sample rate changed to 48000 Hz", Output: phone}},
		"one channel more": {told(small, mono), media.TrackPlan{Action: media.Copy}, media.TrackPlan{Action: media.Transcode, Reason: "channels changed to 2", Output: mono}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(whole(2 * time.Second))
				s.job.Before = c.before
				coders := &fakeCoders{}
				require.NoError(t, s.playWith(t.Context(), coders))
				for _, want := range []*media.TrackPlan{&c.video, &c.audio} {
					if want.Action == media.Copy {
						want.Reason = "the room takes it as it is"
					}
				}
				if c.video.Action == media.Copy {
					c.video.Output = small
					require.Empty(t, coders.video)
				} else {
					require.Equal(t, []media.VideoOutput{{Width: 1280, Height: 720, FPS: 30, Bitrate: 1_800_000, KeyInterval: 2 * time.Second}}, coders.video)
				}
				if c.audio.Action == media.Copy {
					c.audio.Output = usual
					require.Empty(t, coders.audio)
				} else {
					require.Equal(t, media.AudioOutput{SampleRate: c.audio.Output.SampleRate, Channels: 1, Bitrate: 128_000, Volume: 100}, coders.audio[0])
				}
				require.Equal(t, media.Plan{Video: &c.video, Audio: &c.audio}, s.seen.plan)
				require.Len(t, s.room.of(0), 50)
			})
		})
	}
}

func TestWhatTheRoomWasToldIsKeptWhateverHappensToTheSource(t *testing.T) {
	before := told(media.Output{Width: 320, Height: 180}, media.Output{SampleRate: 44100, Channels: 1})
	synctest.Test(t, func(t *testing.T) {
		s := newStage(without(media.Audio))
		s.job.Before = before
		require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		require.Equal(t, before.Video.Output, s.seen.plan.Video.Output)
		require.Equal(t, before.Audio.Output, s.seen.plan.Audio.Output)
	})
	t.Run("a source without sound", func(t *testing.T) {
		for _, fill := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakesource.Source {
					f := fakesource.Source{Of: fakesource.Clip(2 * time.Second)}
					f.Of.Tracks = f.Of.Tracks[:1]
					return f
				})
				s.job.Before, s.job.Options.FillAudio = before, fill
				require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
				require.Equal(t, before.Audio.Output, s.seen.plan.Audio.Output)
				if !fill {
					require.Equal(t, media.Drop, s.seen.plan.Audio.Action)
					require.Empty(t, s.room.of(1))
					return
				}
				require.Equal(t, media.Fill, s.seen.plan.Audio.Action)
				require.InDelta(t, 2*44100/1024, len(s.room.of(1)), 2)
				require.Equal(t, []byte(program.SilentAACMono), s.room.of(1)[0].Data)
			})
		}
	})
	t.Run("a source without a picture, which is waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(func(opens int) fakesource.Source {
				f := fakesource.Source{Of: fakesource.Clip(2 * time.Second)}
				if opens == 0 {
					f.Of.Tracks = f.Of.Tracks[1:]
				}
				return f
			})
			s.job.Before = told(media.Output{Width: 640, Height: 360}, media.Output{SampleRate: 48000, Channels: 2})
			require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
			require.Equal(t, []string{"reconnecting source_unavailable", "planned", "publishing"}, s.seen.lines)
			require.Len(t, s.room.of(0), 50)
			require.Equal(t, 1, s.room.dials)
		})
	})
}

func TestAnAnamorphicPictureIsMadeWideUnlessTheRoomWasToldAnotherSize(t *testing.T) {
	for before, want := range map[media.Output]media.Output{
		{}:                        {Width: 852, Height: 360},
		{Width: 640, Height: 360}: {Width: 640, Height: 360}, // it was copied
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(func(int) fakesource.Source {
				f := fakesource.Source{Of: fakesource.Clip(2 * time.Second)}
				f.Of.Tracks[0].Pixels = media.PixelShape{Width: 4, Height: 3}
				return f
			})
			s.job.Before = told(before, media.Output{})
			coders := &fakeCoders{}
			require.NoError(t, s.playWith(t.Context(), coders))
			require.Equal(t, "pixels of 4:3", s.seen.plan.Video.Reason)
			require.Equal(t, want, s.seen.plan.Video.Output)
			require.Equal(t, want, media.Output{Width: coders.video[0].Width, Height: coders.video[0].Height})
		})
	}
}

func TestBlackHasTheSizeThatTheRoomWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			f := fakesource.Source{Of: fakesource.Clip(2 * time.Second)}
			f.Of.Tracks = f.Of.Tracks[1:]
			return f
		})
		s.job.Before, s.job.Options.FillVideo = told(media.Output{Width: 320, Height: 240}, media.Output{}), true
		require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		require.Equal(t, media.Fill, s.seen.plan.Video.Action)
		require.Equal(t, [2]int{320, 240}, [2]int{s.room.told[0].Width, s.room.told[0].Height})
	})
}

func TestAnAttemptThatMayNotReencodeFailsWhereTheSourceDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(2 * time.Second))
		s.job.Before = told(media.Output{Width: 1280, Height: 720}, media.Output{})
		s.job.Options.Transcode = media.TranscodeNever
		err := s.playWith(t.Context(), &fakeCoders{})
		require.Equal(t, media.KindSourceUnsupported, media.KindOf(err))
		require.ErrorContains(t, err, "size changed to 640x360")
		require.Equal(t, s.job.Before.Video.Output, s.seen.plan.Video.Output)
		require.Zero(t, s.room.dials)
	})
}

func TestAPreparedAttemptGivesTheRoomWhatTheOneBeforeDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(40 * time.Second))
		s.job.Before = told(media.Output{Width: 320, Height: 180}, media.Output{})
		s.job.Start, s.job.TakeOver = 3300*time.Millisecond, handedOver(time.Second, 31500*time.Millisecond) // it is opened anew
		coders := &fakeCoders{}
		require.NoError(t, s.playWith(t.Context(), coders))
		require.Len(t, s.opened, 2)
		require.Equal(t, [2]int{320, 180}, [2]int{s.room.told[0].Width, s.room.told[0].Height})
		require.Len(t, coders.video, 1)
	})
}
