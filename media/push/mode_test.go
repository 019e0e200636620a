package push

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

func TestAFileThatIsPlayedAsLiveIsPacedAllTheSame(t *testing.T) {
	for _, container := range []string{"mov", "hls"} {
		t.Run(container, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				info := fakesource.Clip(3 * time.Minute)
				info.Container = container
				s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info} })
				s.job.Source.Mode = media.ModeLive
				s.job.Retry = noRetry
				begin := time.Now()
				require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
				require.InDelta(t, 180, time.Since(begin).Seconds(), 0.1)
				require.Len(t, s.room.got, 180*50)
				require.Zero(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
			})
		})
	}
}

func TestAStreamThatIsPlayedAsAFileComesBackWithoutASeek(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(func(opens int) fakesource.Source {
				f := fakesource.Source{Of: fakesource.Stream(10 * time.Second)}
				if opens == 0 {
					f.FailAt, f.Err = 5*time.Second, &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: errors.New("reset")}
				}
				return f
			})
			s.job.Source.Mode, s.job.Options.Transcode, s.job.Options.StartAt = media.ModeVOD, mode, time.Second
			s.job.Retry = func(media.Kind) media.Retry { return media.Retry{AtOnce: true, For: time.Minute} }
			require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
			require.Len(t, s.opened, 2)
			require.InDelta(t, 15*50, len(s.room.got), 100)
			requireRising(t, s.room.got)
			require.Contains(t, s.seen.lines, "warned live_has_no_parts")
		})
	}
}

func TestAStreamThatHasBecomeItsRecordingIsNotPlayedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(opens int) fakesource.Source {
			f := fakesource.Source{Of: fakesource.Stream(10 * time.Second)}
			f.Of.Container = "hls"
			f.Of.Live = opens == 0
			return f
		})
		s.job.Retry = func(media.Kind) media.Retry {
			return media.Retry{First: time.Second, Max: time.Second, For: time.Minute}
		}
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
		require.Len(t, ofSource(s.room.got), 10*50)
		require.Greater(t, len(s.opened), 2, "another stream may come")
		for _, f := range s.opened {
			require.True(t, f.Closed)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.WasLive, s.job.Retry = true, noRetry
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())), "nor by the attempt after")
		require.Zero(t, s.room.dials)
	})
}

// ofSource are those that were not made up.
func ofSource(all []arrival) []arrival {
	return slices.DeleteFunc(slices.Clone(all), func(a arrival) bool { return a.Origin != media.Taken })
}
