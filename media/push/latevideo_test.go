package push

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// lateVideo is a live source that has sound alone until from.
type lateVideo struct {
	inRealTime
	from time.Duration
	both media.SourceInfo
	told bool
}

func newLateVideo(ctx context.Context, from time.Duration) *lateVideo {
	both := fakesource.Stream(20 * time.Second)
	alone := both
	alone.Tracks = both.Tracks[1:]
	return &lateVideo{
		inRealTime: inRealTime{Source: &fakesource.Source{Ctx: ctx, Of: alone}, begin: time.Now()},
		from:       from, both: both,
	}
}

func (s *lateVideo) ReadPacket() (media.Packet, error) {
	if !s.told && s.Next >= s.from {
		s.told, s.Of = true, s.both
		return media.Packet{}, media.ErrLateVideo
	}
	return s.inRealTime.ReadPacket()
}

// playLate plays a source whose picture comes at from.
func playLate(t *testing.T, s *stage, from time.Duration) *lateVideo {
	t.Helper()
	var source *lateVideo
	s.job.Retry = noRetry
	open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
		if source != nil {
			return nil, errors.New("opened twice")
		}
		source = newLateVideo(ctx, from)
		return source, nil
	})
	require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, &fakeCoders{})))
	require.True(t, source.Closed)
	requireRising(t, s.room.got)
	return source
}

func TestAPictureThatComesLateOpensTheRoomAnewAndNotTheSource(t *testing.T) {
	for name, options := range map[string]media.Options{"copied": {}, "re-encoded": {Transcode: media.TranscodeAlways}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options = options
				playLate(t, s, 10*time.Second)
				require.Equal(t, []string{"planned", "publishing", "warned late_video", "planned", "publishing"}, s.seen.lines)
				require.Equal(t, 2, s.room.dials)
				require.Len(t, s.room.told, 2)
				require.NotNil(t, s.seen.plan.Video)
				require.InDelta(t, 10*25, len(s.room.of(1)), 5, "sound beside the picture")
				require.InDelta(t, 2*10*25, len(s.room.of(0)), 5, "sound from before the picture, and it")
			})
		})
	}
}

func TestAPushThatPlaysIsNotAskedAgainWhetherItFitsWhenItsPictureComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := newStage(nil), 0
		s.job.Options.Transcode = media.TranscodeAlways
		s.job.Fits = func() error {
			if asked++; asked > 1 {
				return errors.New("it does not fit any more")
			}
			return nil
		}
		playLate(t, s, 10*time.Second)
		require.Equal(t, 1, asked)
		require.Equal(t, media.Transcode, s.seen.plan.Video.Action)
	})
}

func TestAPictureThatComesBeforeTheRoomIsOpenIsPlannedForWithoutAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		playLate(t, s, 500*time.Millisecond)
		require.Equal(t, []string{"planned", "publishing"}, s.seen.lines)
		require.Equal(t, 1, s.room.dials)
		require.InDelta(t, 19*25, len(s.room.of(0)), 2)
	})
}

func TestAPictureThatComesLateTakesThePlaceOfBlack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.FillVideo = true
		playLate(t, s, 10*time.Second)
		require.Equal(t, 1, s.room.dials)
		require.Equal(t, media.Copy, s.seen.plan.Video.Action)
		require.Greater(t, len(s.room.of(0)), 250)
	})
}

// spoilt is a source whose picture comes late and cannot be read.
type spoilt struct{ *lateVideo }

func (s spoilt) ReadPacket() (media.Packet, error) {
	if s.told {
		return media.Packet{}, &media.Error{Kind: media.KindSourceInvalid, Op: "read source"}
	}
	return s.lateVideo.ReadPacket()
}

func TestALatePictureThatCannotBeReadIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Retry = func(k media.Kind) media.Retry {
			if k == media.KindSourceUnavailable {
				return media.Retry{First: 100 * time.Millisecond, Max: time.Second, For: time.Minute}
			}
			return media.Retry{}
		}
		opens := 0
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			if opens++; opens == 1 {
				return spoilt{newLateVideo(ctx, 5*time.Second)}, nil
			}
			alone := fakesource.Stream(10 * time.Second)
			alone.Tracks = alone.Tracks[1:]
			return &inRealTime{&fakesource.Source{Ctx: ctx, Of: alone}, time.Now()}, nil
		})
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, &fakeCoders{})))
		require.Equal(t, []string{"planned", "publishing", "reconnecting source_unavailable", "publishing"}, s.seen.lines)
		require.InDelta(t, 15*25, len(s.room.of(0)), 5)
	})
}

func TestALatePictureThatMayNotBeReencodedIsLeftOutAndTheSoundGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.Transcode = media.TranscodeNever
		s.job.Retry = noRetry
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			late := newLateVideo(ctx, 5*time.Second)
			late.both.Tracks = slices.Clone(late.both.Tracks)
			late.both.Tracks[0].Codec = "hevc"
			return late, nil
		}, &fakeCoders{})))
		require.Equal(t, 1, s.room.dials)
		require.Equal(t, []string{"the source's picture came after the push had begun, and is left out: " + "it cannot be copied, and transcode: never forbids to re-encode it; leave transcode out"}, s.seen.messages)
		requireRising(t, s.room.got)
		require.InDelta(t, 20, s.room.got[len(s.room.got)-1].DTS.Seconds(), 0.5)
	})
}

func TestWhatComesLateAndIsLeftOutIsTold(t *testing.T) {
	mp3 := fakesource.Clip(0).Tracks[1]
	mp3.Codec = "mp3"
	sound := func(p *media.Packet) { p.Track, p.Change = 1, &mp3 }
	const leftOut = "the source's sound came after the push had begun, and is left out: "
	for name, c := range map[string]struct {
		late    func(*media.Packet)
		options media.Options
		says    string
	}{
		"sound without fillAudio":            {sound, media.Options{}, leftOut + "the room was told that there is none"},
		"sound that may not be re-encoded":   {sound, media.Options{FillAudio: true, Transcode: media.TranscodeNever}, leftOut + "it cannot be copied"},
		"sound that nothing decodes":         {sound, media.Options{FillAudio: true}, leftOut + "its codec mp3 cannot be decoded"},
		"a picture that libav cannot decode": {func(p *media.Packet) { p.LeftOut = &media.Stream{Type: "video", Codec: "flashsv", NoDecoder: true} }, media.Options{}, "codec flashsv cannot be decoded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options = c.options
				require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
					from := script{info: fakesource.Clip(5 * time.Second), pictures: moving(0, 5), silent: true}
					late := media.Packet{PTS: 3 * time.Second, DTS: 3 * time.Second, Duration: fakesource.AudioFrame, Data: from.pictures[75].Data}
					c.late(&late)
					from.pictures = slices.Insert(from.pictures, 76, late)
					return from.open(ctx, r)
				}, &fakeCoders{deaf: true}))
				require.NotEmpty(t, s.seen.messages)
				require.Contains(t, s.seen.messages[0], c.says)
			})
		})
	}
}
