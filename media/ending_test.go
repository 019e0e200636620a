package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// brief is a source whose sound ends early, from a server of limited speed.
type brief struct {
	*fakeSource
	begin time.Time
	sound time.Duration // until when there is some
	speed float64       // media per time
}

func (s *brief) ReadPacket() (Packet, error) {
	for {
		p, err := s.fakeSource.ReadPacket()
		if err == nil {
			due := s.begin.Add(time.Duration(float64(p.DTS) / s.speed))
			err = sleep(s.ctx, time.Until(due))
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
				err := s.playFrom(t.Context(), func(ctx context.Context, _ SourceRequest) (Source, error) {
					f := &fakeSource{ctx: ctx, info: clip(time.Minute)}
					return &brief{fakeSource: f, begin: time.Now(), sound: sound, speed: speed}, nil
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
	for _, o := range []Options{
		{StartAt: 5 * time.Second}, {StartAt: time.Minute, Repeat: -1}, {StartAt: time.Minute, Transcode: TranscodeAlways},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(5 * time.Second))
			s.job.Options = o
			s.job.Retry = func(Kind) Retry { return Retry{} }
			err := s.playWith(t.Context(), &fakeCoders{})
			require.Equal(t, KindSourceInvalid, KindOf(err))
			require.ErrorContains(t, err, "the source ends at 5s")
			require.Empty(t, s.room.got)
		})
	}
}

func TestAnAttemptThatBeginsAtTheEndOfThePartIsComplete(t *testing.T) {
	for _, mode := range []TranscodeMode{TranscodeAuto, TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(10 * time.Second))
			s.job.Start, s.job.Options.EndAt, s.job.Options.Transcode = 5*time.Second, 5*time.Second, mode
			require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		})
	}
}

// pictured is a source whose picture ends early.
type pictured struct {
	*fakeSource
	until time.Duration
}

func (s *pictured) ReadPacket() (Packet, error) {
	for {
		p, err := s.fakeSource.ReadPacket()
		if err != nil || p.Track != 0 || p.DTS < s.until {
			return p, err
		}
	}
}

func TestThePositionGoesOnWithTheSoundWhereThereIsNoPicture(t *testing.T) {
	for _, until := range []time.Duration{frame, 3 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(whole(20 * time.Second))
			s.job.Options.Repeat = 2
			var positions []time.Duration
			s.room.writeErr = func(Packet) error {
				positions = append(positions, s.job.Meter.Snapshot(time.Now()).Position)
				return nil
			}
			require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, _ SourceRequest) (Source, error) {
				return &pictured{&fakeSource{ctx: ctx, info: clip(20 * time.Second)}, until}, nil
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
		mode   TranscodeMode
	}{
		"a picture": {40 * time.Millisecond, TranscodeAuto}, "a few": {200 * time.Millisecond, TranscodeAuto},
		"a few, re-encoded": {200 * time.Millisecond, TranscodeAlways}, "longer than the look": {400 * time.Millisecond, TranscodeAuto},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakeSource { return fakeSource{info: stream(c.length)} })
				s.job.Options.Transcode = c.mode
				s.job.Retry = func(Kind) Retry { return Retry{} }
				require.Equal(t, KindSourceEnded, KindOf(s.playWith(t.Context(), &fakeCoders{})))
				requireRising(t, s.room.got)
				require.Len(t, s.room.of(0), int(c.length/frame))
				require.Len(t, s.room.of(1), int(c.length/frame))
			})
		})
	}
}

func TestALiveSourceThatIsOverAtOnceEachTimeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakeSource { return fakeSource{info: stream(200 * time.Millisecond)} })
		begin := time.Now()
		require.Equal(t, KindSourceEnded, KindOf(s.play(t.Context())))
		require.InDelta(t, 60, time.Since(begin).Seconds(), 15)
		requireRising(t, s.room.got)
	})
}
