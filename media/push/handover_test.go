package push

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
)

// handedOver lets the push be ours after a while, at position.
func handedOver(after, position time.Duration) func(context.Context) (media.Progress, error) {
	return func(ctx context.Context) (media.Progress, error) {
		select {
		case <-time.After(after):
			return media.Progress{Position: position}, nil
		case <-ctx.Done():
			return media.Progress{}, context.Cause(ctx)
		}
	}
}

func TestAPreparedSourceGoesOnAtTheKeyframeBeforeTheFinalPosition(t *testing.T) {
	for name, c := range map[string]struct {
		start, final time.Duration
		opens        int
		from         time.Duration
	}{
		"that has not moved":                     {3300 * time.Millisecond, 3300 * time.Millisecond, 1, 3 * time.Second},
		"a second on":                            {3300 * time.Millisecond, 4700 * time.Millisecond, 1, 4 * time.Second},
		"on a keyframe":                          {3300 * time.Millisecond, 5 * time.Second, 1, 5 * time.Second},
		"beyond all that was read ahead":         {0, 9900 * time.Millisecond, 1, 9 * time.Second},
		"far away, where it is opened anew":      {0, 31500 * time.Millisecond, 2, 31 * time.Second},
		"before its own, where it is opened new": {8 * time.Second, 2500 * time.Millisecond, 2, 2 * time.Second},
		"at the very end":                        {38 * time.Second, 39980 * time.Millisecond, 1, 39 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(whole(40 * time.Second))
				s.job.Start, s.job.TakeOver = c.start, handedOver(1200*time.Millisecond, c.final)
				begin := time.Now()
				require.NoError(t, s.play(t.Context()))
				left := 40*time.Second - c.from
				require.Len(t, s.room.got, int(left/fakesource.AudioFrame))
				require.True(t, s.room.got[0].Keyframe)
				requireRising(t, s.room.got)
				require.Len(t, s.opened, c.opens)
				require.InDelta(t, (left + 1200*time.Millisecond).Seconds(), time.Since(begin).Seconds(), 0.05)
				require.Equal(t, 40*time.Second, s.job.Meter.Snapshot(time.Now()).Position)
			})
		})
	}
}

func TestAPreparedAttemptCountsThePlaysThatEndedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Start, s.job.Options.Repeat = 9500*time.Millisecond, 2
		s.job.TakeOver = func(context.Context) (media.Progress, error) {
			return media.Progress{Position: 500 * time.Millisecond, Loop: 1}, nil
		}
		require.NoError(t, s.play(t.Context()))
		require.Len(t, s.opened, 2)
		require.Len(t, s.room.got, 500, "the last play, once")
		require.Equal(t, 1, s.job.Meter.Snapshot(time.Now()).Loop)
	})
}

func TestAPreparedSourceWithoutDTSIsNotReadToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.TakeOver = handedOver(time.Second, 3*time.Second)
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			return &timeless{fakesource.Source{Ctx: ctx, Of: fakesource.Clip(time.Hour), FailAt: time.Minute, Err: io.ErrNoProgress}}, nil
		})
		s.job.Retry = noRetry
		begin := time.Now()
		require.Error(t, s.playFrom(t.Context(), open, nil))
		require.InDelta(t, 58, time.Since(begin).Seconds(), 1)
	})
}

// timeless has no DTS.
type timeless struct{ fakesource.Source }

func (s *timeless) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	p.DTS, p.NoDTS = 0, true
	return p, err
}

func TestAPreparedStreamGoesOnAtItsNewestKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: fakesource.Stream(1500 * time.Millisecond)} })
		s.job.Source.Mode, s.job.TakeOver = media.ModeLive, handedOver(time.Second, time.Hour)
		s.job.Retry = noRetry
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
		require.Len(t, s.room.got, 25)
		require.True(t, s.room.got[0].Keyframe)
	})
}

func TestAPreparedAttemptThatIsNotWantedNeverOpensTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.TakeOver = handedOver(time.Hour, 0)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(media.ErrLost) })
		require.ErrorIs(t, s.play(ctx), media.ErrLost)
		require.Zero(t, s.room.dials)
		require.True(t, s.opened[0].Closed)
	})
}

func TestASourceThatFailsWhileItWaitsIsOpenedAgainAtTheFinalPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(opens int) fakesource.Source {
			f := fakesource.Source{Of: fakesource.Clip(20 * time.Second)}
			if opens == 0 {
				f.FailAt = 4 * time.Second
				f.Err = &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: errors.New("reset")}
			}
			return f
		})
		s.job.Start, s.job.TakeOver = 3*time.Second, handedOver(time.Second, 6*time.Second)
		require.NoError(t, s.play(t.Context()))
		require.Len(t, s.opened, 2)
		require.Len(t, s.room.got, 14*50)
	})
}

func TestAnAttemptThatBeginsWhileTheFirstPictureStandsKeepsTheSound(t *testing.T) {
	const from = 2400 * time.Millisecond
	for name, c := range map[string]struct {
		takeOver func(context.Context) (media.Progress, error)
		start    time.Duration
	}{
		"taken over":                       {start: from},
		"handed over":                      {start: 1100 * time.Millisecond, takeOver: handedOver(time.Second, from)},
		"handed over, though where it was": {start: from, takeOver: handedOver(time.Second, from)},
	} {
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			t.Run(name+" "+string(mode), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, s := newMadeOf([]clipPart{{length: 6 * time.Second, sound: true}, {length: 4 * time.Second, picture: true, sound: true}}), newStage(nil)
					s.job.Start, s.job.TakeOver, s.job.Options.Transcode = c.start, c.takeOver, mode
					opened := 0
					require.NoError(t, s.playFrom(t.Context(), func(ctx context.Context, r media.SourceRequest) (media.Source, error) {
						opened++
						return m.open(ctx, r)
					}, &fakeCoders{}))
					require.Equal(t, 1, opened)
					requireRising(t, s.room.got)
					pictures, sounds := s.room.of(int(media.Video)), s.room.of(int(media.Audio))
					require.InDelta(t, (10*time.Second-from)/fakesource.AudioFrame, len(sounds), 3)
					require.InDelta(t, from.Seconds(), madeAt(sounds[0].Packet).Seconds(), 0.05)
					for _, p := range append(pictures, sounds...) {
						want := max(p.PTS+from, 0)
						if p.Track == int(media.Video) {
							want = max(want, 6*time.Second) // the first picture stands until then
						}
						require.InDelta(t, want.Seconds(), madeAt(p.Packet).Seconds(), 0.06, "track %d at %v", p.Track, p.PTS)
					}
					require.InDelta(t, 0, pictures[0].PTS.Seconds(), 0.01, "the picture is there from the begin")
				})
			})
		}
	}
}
