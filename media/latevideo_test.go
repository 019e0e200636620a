package media

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lateVideo is a live source that has sound alone until from.
type lateVideo struct {
	inRealTime
	from time.Duration
	both SourceInfo
	told bool
}

func newLateVideo(ctx context.Context, from time.Duration) *lateVideo {
	both := stream(20 * time.Second)
	alone := both
	alone.Tracks = both.Tracks[1:]
	return &lateVideo{
		inRealTime: inRealTime{fakeSource: &fakeSource{ctx: ctx, info: alone}, begin: time.Now()},
		from:       from, both: both,
	}
}

func (s *lateVideo) ReadPacket() (Packet, error) {
	if !s.told && s.next >= s.from {
		s.told, s.info = true, s.both
		return Packet{}, ErrLateVideo
	}
	return s.inRealTime.ReadPacket()
}

// playLate plays a source whose picture comes at from.
func playLate(t *testing.T, s *stage, from time.Duration) *lateVideo {
	t.Helper()
	var source *lateVideo
	s.job.Retry = func(Kind) Retry { return Retry{} }
	open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
		if source != nil {
			return nil, errors.New("opened twice")
		}
		source = newLateVideo(ctx, from)
		return source, nil
	})
	require.Equal(t, KindSourceEnded, KindOf(s.playFrom(t.Context(), open, &fakeCoders{})))
	require.True(t, source.closed)
	requireRising(t, s.room.got)
	return source
}

func TestAPictureThatComesLateOpensTheRoomAnewAndNotTheSource(t *testing.T) {
	for name, options := range map[string]Options{"copied": {}, "re-encoded": {Transcode: TranscodeAlways}} {
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
		require.Equal(t, Copy, s.seen.plan.Video.Action)
		require.Greater(t, len(s.room.of(0)), 250)
	})
}

// spoilt is a source whose picture comes late and cannot be read.
type spoilt struct{ *lateVideo }

func (s spoilt) ReadPacket() (Packet, error) {
	if s.told {
		return Packet{}, &Error{Kind: KindSourceInvalid, Op: "read source"}
	}
	return s.lateVideo.ReadPacket()
}

func TestALatePictureThatCannotBeReadIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Retry = func(k Kind) Retry {
			if k == KindSourceUnavailable {
				return Retry{First: 100 * time.Millisecond, Max: time.Second, For: time.Minute}
			}
			return Retry{}
		}
		opens := 0
		open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			if opens++; opens == 1 {
				return spoilt{newLateVideo(ctx, 5*time.Second)}, nil
			}
			alone := stream(10 * time.Second)
			alone.Tracks = alone.Tracks[1:]
			return &inRealTime{&fakeSource{ctx: ctx, info: alone}, time.Now()}, nil
		})
		require.Equal(t, KindSourceEnded, KindOf(s.playFrom(t.Context(), open, &fakeCoders{})))
		require.Equal(t, []string{"planned", "publishing", "reconnecting source_unavailable", "publishing"}, s.seen.lines)
		require.InDelta(t, 15*25, len(s.room.of(0)), 5)
	})
}

func TestALatePictureThatMayNotBeReencodedIsLeftOutAndTheSoundGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.Transcode = TranscodeNever
		s.job.Retry = func(Kind) Retry { return Retry{} }
		require.Equal(t, KindSourceEnded, KindOf(s.playFrom(t.Context(), func(ctx context.Context, _ SourceRequest) (Source, error) {
			late := newLateVideo(ctx, 5*time.Second)
			late.both.Tracks = slices.Clone(late.both.Tracks)
			late.both.Tracks[0].Codec = "hevc"
			return late, nil
		}, &fakeCoders{})))
		require.Equal(t, 1, s.room.dials)
		require.Equal(t, []string{"the source's picture came after the push had begun, and is left out: " + neverRecoded}, s.seen.messages)
		requireRising(t, s.room.got)
		require.InDelta(t, 20, s.room.got[len(s.room.got)-1].DTS.Seconds(), 0.5)
	})
}

func TestWhatComesLateAndIsLeftOutIsTold(t *testing.T) {
	mp3 := clip(0).Tracks[1]
	mp3.Codec = "mp3"
	sound := func(p *Packet) { p.Track, p.Change = 1, &mp3 }
	const leftOut = "the source's sound came after the push had begun, and is left out: "
	for name, c := range map[string]struct {
		late    func(*Packet)
		options Options
		says    string
	}{
		"sound without fillAudio":            {sound, Options{}, leftOut + "the room was told that there is none"},
		"sound that may not be re-encoded":   {sound, Options{FillAudio: true, Transcode: TranscodeNever}, leftOut + "it cannot be copied"},
		"sound that nothing decodes":         {sound, Options{FillAudio: true}, leftOut + "its codec mp3 cannot be decoded"},
		"a picture that libav cannot decode": {func(p *Packet) { p.LeftOut = &Stream{Type: "video", Codec: "flashsv", NoDecoder: true} }, Options{}, "codec flashsv cannot be decoded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options = c.options
				require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, r SourceRequest) (Source, error) {
					from := script{info: clip(5 * time.Second), pictures: moving(0, 5), silent: true}
					late := Packet{PTS: 3 * time.Second, DTS: 3 * time.Second, Duration: audioFrame, Data: from.pictures[75].Data}
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
