package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/input"
	"github.com/roomcast/roomcast/media/retry"
)

// inRealTime is a source that gives its packets when they are made.
type inRealTime struct {
	*fakesource.Source
	begin time.Time
}

// holed has nothing of a time.
type holed struct {
	inRealTime
	from, to time.Duration
}

func (s *holed) ReadPacket() (media.Packet, error) {
	if s.Next >= s.from {
		s.Next = max(s.Next, s.to)
	}
	return s.inRealTime.ReadPacket()
}

func (s *inRealTime) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	if err == nil {
		err = retry.Sleep(s.Ctx, time.Until(s.begin.Add(p.DTS)))
	}
	return p, err
}

func TestAPushIsPublishingAgainWhenItsSourceIsBackInTheSameSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(opens int) fakesource.Source {
			f := fakesource.Source{Of: fakesource.Clip(10 * time.Second)}
			if opens == 0 {
				f.FailAt, f.Err = 5*time.Second, &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: io.EOF}
			}
			return f
		})
		require.NoError(t, s.play(t.Context()))
		require.Equal(t, []string{"planned", "publishing", "reconnecting source_unavailable", "publishing"}, s.seen.lines)
		require.Equal(t, 1, s.room.dials)
	})
}

func TestARoomThatBreaksWhileTheNextPlayIsMadeAheadCostsNoPlay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(4 * time.Second))
		s.job.Options = media.Options{Repeat: 3, Transcode: media.TranscodeAlways}
		s.room.breakAt(3500*time.Millisecond, media.KindRoomClosed)
		require.NoError(t, s.playWith(t.Context(), &fakeCoders{}))
		require.Equal(t, 2, s.room.dials)
		require.InDelta(t, 300, len(s.room.of(0)), 5)
		require.Equal(t, 2, s.job.Meter.Snapshot(time.Now()).Loop)
	})
}

func TestALoopWhoseNextOpeningFailsIsPlayedAsOftenAsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.Repeat = 3
		opens := 0
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			if opens++; opens == 2 {
				return nil, &media.Error{Kind: media.KindSourceUnavailable, Op: "open source"}
			}
			return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(4 * time.Second)}, nil
		})
		require.NoError(t, s.playFrom(t.Context(), open, nil))
		require.Equal(t, 1, s.room.dials)
		requireRising(t, s.room.got)
		require.InDelta(t, 325, len(s.room.of(0)), 3, "three plays, and the last second of the first again")
	})
}

func TestAStopWhileALoopsNextOpeningHangsIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.Repeat = media.RepeatForever
		opens := 0
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			if opens++; opens > 1 {
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(4 * time.Second)}, nil
		})
		for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
			opens, s.job.Options.Transcode = 0, mode
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(6*time.Second, func() { cancel(media.ErrStopped) })
			begin := time.Now()
			require.ErrorIs(t, s.playFrom(ctx, open, &fakeCoders{}), media.ErrStopped)
			require.Equal(t, 6*time.Second, time.Since(begin))
		}
	})
}

func TestAStopWhileAGroupOfPicturesIsDecodedIsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(10 * time.Second), Reorder: true, ReorderFrom: 5800 * time.Millisecond}
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(6*time.Second, func() { cancel(media.ErrStopped) }) // 20 pictures take a second from about 5.7 s on
		begin := time.Now()
		require.ErrorIs(t, s.playWith(ctx, &fakeCoders{picture: slow(50 * time.Millisecond)}), media.ErrStopped)
		require.LessOrEqual(t, time.Since(begin), 6*time.Second+200*time.Millisecond)
	})
}

func TestARoomThatDoesNotTakeUsYetCostsAFileNoSecondOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(4 * time.Second))
		for range 3 {
			s.room.dialErrs = append(s.room.dialErrs, &media.Error{Kind: media.KindRoomConflict, Op: "publish"})
		}
		require.NoError(t, s.play(t.Context()))
		require.Len(t, s.opened, 1)
		require.Len(t, s.room.got, 200)
	})
}

func TestASlowRoomMakesAFileSlipItsClockAndThatIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.room.writeErr = func(p media.Packet) error {
			if p.DTS == 2*time.Second {
				time.Sleep(3 * time.Second)
			}
			return nil
		}
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 3, s.job.Meter.Snapshot(time.Now()).Slipped.Seconds(), 0.1)
	})
}

func TestASlowRoomMakesALiveSourceDropToItsNextKeyframe(t *testing.T) {
	for n := range 4 {
		mode, fill := []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways}[n%2], n > 1
		synctest.Test(t, func(t *testing.T) {
			s := newStage(nil)
			s.job.Source.Mode, s.job.Options.Transcode, s.job.Options.FillAudio = media.ModeLive, mode, fill
			s.job.Retry = noRetry
			s.room.writeErr = func(p media.Packet) error {
				if p.DTS >= 5*time.Second && p.DTS < 5100*time.Millisecond {
					time.Sleep(5 * time.Second)
					s.room.writeErr = nil
				}
				return nil
			}
			open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
				return &holed{inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(30 * time.Second)}, time.Now()}, 14 * time.Second, 17 * time.Second}, nil
			})
			require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, &fakeCoders{sound: filling})))
			requireRising(t, s.room.got)
			require.Equal(t, 1, s.room.dials)
			p := s.job.Meter.Snapshot(time.Now())
			taken, heard := 0, time.Duration(0)
			for _, a := range s.room.got {
				if a.Origin == media.Taken {
					taken++
				}
				if a.Kind == media.Audio {
					require.True(t, !fill || a.PTS-heard < 200*time.Millisecond, "nothing is heard from %v to %v", heard, a.PTS)
					heard = a.PTS
				}
			}
			require.InDelta(t, 1500-150-taken, p.DroppedPackets, 12)
			require.Positive(t, p.DroppedPackets)
			last := s.room.got[len(s.room.got)-1]
			require.InDelta(t, 30, last.at.Seconds(), 2.5, "it is not further behind than its queue")
			var told []string
			for _, m := range s.seen.messages {
				what, _, _ := strings.Cut(m, " from")
				told = append(told, fmt.Sprint(what, " ", strings.Contains(m, "too slow for it")))
			}
			require.Subset(t, told, []string{"nothing of the picture true", "nothing of the sound true", "nothing of the sound false"},
				"what the room was too slow for is not the source's, and what the source has not is: %v", s.seen.messages)
		})
	}
}

func TestWhatIsOnItsWayToASlowRoomCountsAsQueued(t *testing.T) {
	for _, onItsWay := range []time.Duration{0, 1250 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(nil)
			s.job.Source.Mode = media.ModeLive
			s.job.Retry = noRetry
			s.room.unconfirmed = onItsWay
			s.room.writeErr = func(media.Packet) error { // it takes 25 s for 20 s of media
				time.Sleep(fakesource.AudioFrame * 5 / 4)
				return nil
			}
			open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
				return &inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(time.Minute)}, time.Now()}, nil
			})
			require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, nil)))
			require.Positive(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
			most := time.Duration(0)
			for _, a := range s.room.got {
				most = max(most, a.at-s.room.got[0].at-(a.DTS-s.room.got[0].DTS))
			}
			require.LessOrEqual(t, most, input.LiveBehind-onItsWay+fakesource.AudioFrame)
			require.Greater(t, most, input.LiveBehind-onItsWay-300*time.Millisecond)
		})
	}
}

func TestALiveSourceIsKeptWhileTheRoomIsAway(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(nil)
			s.job.Source.Mode, s.job.Options.Transcode = media.ModeLive, mode
			s.job.Retry = func(k media.Kind) media.Retry {
				if !k.OfRoom() {
					return media.Retry{}
				}
				return media.Retry{First: 4 * time.Second, Max: 4 * time.Second, For: time.Minute}
			}
			s.room.breakAt(5*time.Second, media.KindRoomClosed)
			opens := 0
			open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
				opens++
				return &inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(30 * time.Second)}, time.Now()}, nil
			})
			require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, &fakeCoders{})))
			require.Equal(t, 1, opens)
			require.Equal(t, 2, s.room.dials)
			requireRising(t, s.room.got)
			again := slices.IndexFunc(s.room.got, func(a arrival) bool { return a.at > 5500*time.Millisecond })
			require.Positive(t, again)
			require.True(t, s.room.got[again].Keyframe)
			require.Zero(t, s.room.got[again].Track)
			for _, p := range s.room.got[again:] {
				require.Less(t, p.at-p.DTS, input.LiveBehind+time.Second/2, "it is none that its decoder held, of %v", p.DTS)
			}
			require.Positive(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
		})
	}
}

func TestALiveSourceGivesNothingFromBeforeItsRoomWasAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Source.Mode = media.ModeLive
		s.job.Retry = func(k media.Kind) media.Retry {
			if !k.OfRoom() {
				return media.Retry{}
			}
			return media.Retry{First: 4 * time.Second, Max: 4 * time.Second, For: time.Minute}
		}
		s.room.writeErr = func(p media.Packet) error {
			switch {
			case p.DTS < 5*time.Second:
				return nil
			case p.DTS == 5*time.Second: // more piles up than goes out at once
				time.Sleep(900 * time.Millisecond)
				return nil
			}
			return &media.Error{Kind: media.KindRoomClosed, Op: "write", Err: io.EOF}
		}
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			sound := fakesource.Stream(20 * time.Second)
			sound.Tracks = sound.Tracks[1:]
			return &inRealTime{&fakesource.Source{Ctx: ctx, Of: sound}, time.Now()}, nil
		})
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, nil)))
		require.Equal(t, 2, s.room.dials)
		again := slices.IndexFunc(s.room.got, func(a arrival) bool { return a.at > 7*time.Second })
		require.Positive(t, again)
		for i, p := range s.room.got[again+1:] {
			require.LessOrEqual(t, p.DTS-s.room.got[again+i].DTS, 2*fakesource.AudioFrame, "at %v", p.at)
		}
		require.Positive(t, s.job.Meter.Snapshot(time.Now()).DroppedPackets)
	})
}

func TestASourceThatTurnsOutToBeLiveHasNoParts(t *testing.T) {
	for name, o := range map[string]media.Options{
		"a start": {StartAt: time.Second}, "an end": {EndAt: time.Second}, "repeats": {Repeat: 2}, "nothing": {Repeat: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakesource.Source {
					info := fakesource.Clip(time.Second)
					info.Live = true
					return fakesource.Source{Of: info}
				})
				tries := 0
				s.job.Options = o
				s.job.Retry = func(media.Kind) media.Retry { tries++; return media.Retry{For: time.Duration(2-tries) * time.Minute} }
				require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
				told := slices.DeleteFunc(s.seen.lines, func(l string) bool { return l != "warned live_has_no_parts" })
				want := 1
				if name == "nothing" {
					want = 0
				}
				require.Len(t, told, want)
			})
		})
	}
}

func TestAPlanThatChangesFailsWithItsReasonWhereNothingMayBeReencoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(10 * time.Second), Reorder: true, ReorderFrom: 5500 * time.Millisecond}
		})
		s.job.Options.Transcode = media.TranscodeNever
		s.job.Retry = noRetry
		err := s.playWith(t.Context(), &fakeCoders{})
		require.Equal(t, media.KindSourceUnsupported, media.KindOf(err))
		require.ErrorContains(t, err, "the source cannot be copied any more (video: B-frames), and transcode: never forbids to re-encode it")
	})
}

func TestAPanicInAGoroutineOfAPushIsItsOwnFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(4 * time.Second))
		s.job.Options.Transcode = media.TranscodeAlways
		s.job.Retry = noRetry
		err := s.playWith(t.Context(), &fakeCoders{picture: panicking})
		require.Equal(t, media.KindInternal, media.KindOf(err))
		require.ErrorContains(t, err, "a fault")
	})
}

func TestASourceWhosePicturesAreAllDamagedFailsHoweverMuchSoundItHas(t *testing.T) {
	for name, tracks := range map[string]int{"with sound": 2, "without": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				info := fakesource.Clip(time.Minute)
				info.Tracks = info.Tracks[:tracks]
				s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: info, CorruptFrom: 5 * time.Second} })
				s.job.Retry = noRetry
				err := s.play(t.Context())
				require.Equal(t, media.KindSourceInvalid, media.KindOf(err))
				require.ErrorContains(t, err, "damaged")
			})
		})
	}
}

// without makes the second opening one that lacks a track.
func without(kind media.MediaType) func(int) fakesource.Source {
	return func(opens int) fakesource.Source {
		f := fakesource.Source{Of: fakesource.Clip(20 * time.Second)}
		switch opens {
		case 0:
			f.FailAt = 5 * time.Second
		case 1:
			f.FailAt = 10 * time.Second
			f.Of.Tracks = []media.Track{f.Of.Tracks[1-kind]}
		}
		f.Err = &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: errors.New("reset")}
		return f
	}
}

func TestSoundThatASourceComesBackWithoutIsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(without(media.Audio))
		s.job.Options.FillAudio = true
		require.NoError(t, s.play(t.Context()))
		requireRising(t, s.room.got)
		audio := s.room.of(1)
		silent := slices.DeleteFunc(slices.Clone(audio), func(a arrival) bool { return a.Data[0] == 0xaa })
		require.InDelta(t, 6*48000/1024, len(silent), 20, "from the keyframe at 4 s to 10 s, and while it was away")
		require.EqualValues(t, 0xaa, audio[len(audio)-1].Data[0], "and then it is copied again")
		require.Equal(t, []string{
			"planned", "publishing", "reconnecting source_unavailable", "planned", "publishing",
			"reconnecting source_unavailable", "planned", "publishing",
		}, s.seen.lines)
		require.Equal(t, media.Copy, s.seen.plan.Audio.Action)
		require.Equal(t, 1, s.room.dials)
	})
}

func TestAPictureThatASourceComesBackWithoutIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(without(media.Video))
		require.NoError(t, s.play(t.Context()))
		require.Len(t, s.opened, 3)
		for _, f := range s.opened {
			require.True(t, f.Closed)
		}
		requireRising(t, s.room.got)
		require.Equal(t, 1, s.room.dials)
		require.InDelta(t, 20*25+25, len(s.room.of(0)), 2)
	})
}

func TestATimeThatIsOverEndsAPushWhoseSourceIsAway(t *testing.T) {
	for name, absent := range map[string]func(context.Context) error{"refused": refused, "hanging": hanging} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(nil)
				s.job.Options.MaxDuration, s.job.Stood.Played = 25*time.Second, 5*time.Second
				s.job.Retry = func(media.Kind) media.Retry {
					return media.Retry{First: 15 * time.Second, Max: 15 * time.Second, For: time.Minute}
				}
				require.NoError(t, s.playFrom(t.Context(), goesAway(time.Minute, absent), nil))
				require.Equal(t, 20*time.Second, time.Since(s.room.begin))
				require.Equal(t, 25*time.Second, s.job.Meter.Snapshot(time.Now()).Played)
				require.Equal(t, "warned max_duration", s.seen.lines[len(s.seen.lines)-1])
			})
		})
	}
}

func TestATimeIsNotOverWhileThereIsNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Options.MaxDuration = 20 * time.Second
		time.AfterFunc(12*time.Second, func() {
			s.room.refuses(slices.Repeat([]error{&media.Error{Kind: media.KindRoomUnavailable, Op: "publish"}}, 20)...)
			s.room.hangUp(media.KindRoomClosed)
		})
		begin := time.Now()
		require.NoError(t, s.playFrom(t.Context(), goesAway(30*time.Second, refused), nil))
		require.InDelta(t, 20+17, time.Since(begin).Seconds(), 4)
		require.Equal(t, 20*time.Second, s.job.Meter.Snapshot(time.Now()).Played)
	})
}
