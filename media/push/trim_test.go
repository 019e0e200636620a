package push

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/retry"
)

// brief is a source whose sound ends early, from a server of limited speed.
type brief struct {
	*fakesource.Source
	begin time.Time
	sound time.Duration // until when there is some
	speed float64       // media per time
}

func (s *brief) ReadPacket() (media.Packet, error) {
	for {
		p, err := s.Source.ReadPacket()
		if err == nil {
			due := s.begin.Add(time.Duration(float64(p.DTS) / s.speed))
			err = retry.Sleep(s.Ctx, time.Until(due))
		}
		if err != nil || p.Track == 0 || p.DTS < s.sound {
			return p, err
		}
	}
}

func TestAPartWhoseSoundEndsBeforeItEndsInTimeOnAnyServer(t *testing.T) {
	for _, sound := range []time.Duration{0, 3 * time.Second, 7900 * time.Millisecond} {
		for _, speed := range []float64{1.2, 1.9, 4, 1000} {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(whole(time.Minute))
				s.job.Options.EndAt = 8 * time.Second
				begin := time.Now()
				err := s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
					f := &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(time.Minute)}
					return &brief{Source: f, begin: time.Now(), sound: sound, speed: speed}, nil
				}, nil)
				require.NoError(t, err)
				require.InDelta(t, 8, time.Since(begin).Seconds(), 2.5, "sound of %v at %v times", sound, speed)
				require.Len(t, s.room.of(0), 200)
				require.InDelta(t, sound.Seconds()*25, len(s.room.of(1)), 4)
			})
		}
	}
}

func TestAStartBehindTheEndFailsAndSaysSo(t *testing.T) {
	for _, o := range []media.Options{
		{StartAt: 5 * time.Second}, {StartAt: time.Minute, Repeat: -1}, {StartAt: time.Minute, Transcode: media.TranscodeAlways},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(5 * time.Second))
			s.job.Options = o
			s.job.Retry = noRetry
			err := s.playWith(t.Context(), &fakeCoders{})
			require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
			require.ErrorContains(t, err, "the source ends at 5s")
			require.Empty(t, s.room.got)
		})
	}
}

func TestAnAttemptThatBeginsAtTheEndOfThePartIsComplete(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(10 * time.Second))
			s.job.Start, s.job.Options.EndAt, s.job.Options.Transcode = 5*time.Second, 5*time.Second, mode
			require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		})
	}
}

// pictured is a source whose picture ends early.
type pictured struct {
	*fakesource.Source
	until time.Duration
}

func (s *pictured) ReadPacket() (media.Packet, error) {
	for {
		p, err := s.Source.ReadPacket()
		if err != nil || p.Track != 0 || p.DTS < s.until {
			return p, err
		}
	}
}

func TestThePositionGoesOnWithTheSoundWhereThereIsNoPicture(t *testing.T) {
	for _, until := range []time.Duration{fakesource.Frame, 3 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(20 * time.Second))
			s.job.Options.Repeat = 2
			var positions []time.Duration
			s.room.writeErr = func(media.Packet) error {
				positions = append(positions, s.job.Meter.Snapshot(time.Now()).Position)
				return nil
			}
			require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
				return &pictured{&fakesource.Source{Ctx: ctx, Of: fakesource.Clip(20 * time.Second)}, until}, nil
			}, nil))
			require.NotContains(t, s.seen.lines, "warned ended_early")
			again := 0
			for i := range positions[1:] {
				step := positions[i+1] - positions[i]
				if step < 0 {
					again++
					require.GreaterOrEqual(t, positions[i], 16*time.Second)
					continue
				}
				require.LessOrEqual(t, step, 100*time.Millisecond)
			}
			require.Equal(t, 1, again, "the second play begins anew")
		})
	}
}

func TestALiveSourceThatIsOverAtOnceIsSent(t *testing.T) {
	for name, c := range map[string]struct {
		length time.Duration
		mode   media.TranscodeMode
	}{
		"a picture": {40 * time.Millisecond, media.TranscodeAuto}, "a few": {200 * time.Millisecond, media.TranscodeAuto},
		"a few, re-encoded": {200 * time.Millisecond, media.TranscodeAlways}, "longer than the look": {400 * time.Millisecond, media.TranscodeAuto},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: fakesource.Stream(c.length)} })
				s.job.Options.Transcode = c.mode
				s.job.Retry = noRetry
				require.Equal(t, media.KindSourceEnded, media.KindOf(s.playWith(t.Context(), &fakeCoders{})))
				requireRising(t, s.room.got)
				require.Len(t, s.room.of(0), int(c.length/fakesource.Frame))
				require.Len(t, s.room.of(1), int(c.length/fakesource.Frame))
			})
		})
	}
}

func TestALiveSourceThatIsOverAtOnceEachTimeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: fakesource.Stream(200 * time.Millisecond)} })
		begin := time.Now()
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
		require.InDelta(t, 60, time.Since(begin).Seconds(), 15)
		requireRising(t, s.room.got)
	})
}
