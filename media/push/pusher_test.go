package push

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/retry"
)

// arrival is a packet and when it came to the room.
type arrival struct {
	media.Packet
	at time.Duration // since the room was first dialled
}

// fakeRoom is a Dialer, Door and Sink in one.
type fakeRoom struct {
	mu       sync.Mutex
	begin    time.Time
	got      []arrival
	dials    int
	told     []media.Track // by the last dial
	closes   int
	ending   sync.Mutex    // of the two below; mu may be held for long
	done     chan struct{} // of the last dial
	end      error         // what it was hung up with
	dialErrs []error       // returned by the next dials
	writeErr func(p media.Packet) error
	always   func(p media.Packet) error
	expires  time.Time
	writes   int
	// unconfirmed is what its machine leaves so.
	unconfirmed time.Duration
}

func (r *fakeRoom) Address(media.Destination, time.Time) (media.PublishAddress, error) {
	return media.PublishAddress{Expires: r.expires}, nil
}

func (r *fakeRoom) Check(media.Destination, time.Time) error { return nil }

func (r *fakeRoom) Rules() media.Rules {
	return media.Rules{Video: []media.Codec{media.H264}, Audio: []media.Codec{media.AAC}, PixelFormats: []string{"yuv420p"}}
}

func (r *fakeRoom) Dial(ctx context.Context, _ media.PublishAddress, tracks []media.Track) (media.Sink, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dials, r.told = r.dials+1, tracks
	if r.begin.IsZero() {
		r.begin = time.Now()
	}
	if len(r.dialErrs) > 0 {
		err := r.dialErrs[0]
		r.dialErrs = r.dialErrs[1:]
		return nil, err
	}
	r.ending.Lock()
	defer r.ending.Unlock()
	r.done, r.end = make(chan struct{}), nil
	return r, ctx.Err()
}

// refuses lets the next dials fail.
func (r *fakeRoom) refuses(errs ...error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dialErrs = errs
}

// hangUp ends the session as a room does.
func (r *fakeRoom) hangUp(kind media.Kind) {
	r.ending.Lock()
	defer r.ending.Unlock()
	r.end = &media.Error{Kind: kind, Op: "room connection", Err: io.EOF}
	close(r.done)
}

func (r *fakeRoom) Done() <-chan struct{} {
	r.ending.Lock()
	defer r.ending.Unlock()
	return r.done
}

func (r *fakeRoom) err() error {
	r.ending.Lock()
	defer r.ending.Unlock()
	return r.end
}

func (r *fakeRoom) Write(_ context.Context, packets []media.Packet) (bytes int64, err error) {
	if len(packets) == 0 {
		return 0, r.err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	for _, p := range packets {
		if err := r.take(p); err != nil {
			return bytes, err
		}
		bytes += int64(len(p.Data))
	}
	return bytes, nil
}

func (r *fakeRoom) take(p media.Packet) error {
	if err := r.err(); err != nil {
		return err
	}
	if r.writeErr != nil {
		if err := r.writeErr(p); err != nil {
			r.writeErr = nil
			return err
		}
	}
	if r.always != nil {
		return r.always(p)
	}
	r.got = append(r.got, arrival{p, time.Since(r.begin)})
	return nil
}

func (r *fakeRoom) Unconfirmed() time.Duration { return r.unconfirmed }

func (r *fakeRoom) Close(context.Context) error {
	r.ending.Lock()
	defer r.ending.Unlock()
	r.closes++
	if r.end == nil {
		close(r.done)
	}
	return nil
}

// recorder is an Observer that writes down what it is told.
type recorder struct {
	messages []string // of the warnings
	mu       sync.Mutex
	lines    []string
	plan     media.Plan // the last of plans
	plans    []media.Plan
}

func (o *recorder) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
}

func (o *recorder) Planned(_ media.SourceInfo, _ bool, p media.Plan) {
	o.add("planned")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.plan, o.plans = p, append(o.plans, p)
}
func (o *recorder) Publishing() { o.add("publishing") }
func (o *recorder) Reconnecting(err error, _ time.Duration, _ time.Time) {
	o.add("reconnecting " + media.KindOf(err).String())
}
func (o *recorder) Warned(code media.WarningCode, message string) {
	o.add("warned " + string(code))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.messages = append(o.messages, message)
}

var _ media.Observer = (*recorder)(nil)

// stage is a pusher with fakes around it.
type stage struct {
	room   fakeRoom
	seen   recorder
	job    media.Job
	opened []*fakesource.Source
	source func(opens int) fakesource.Source
}

func newStage(source func(opens int) fakesource.Source) *stage {
	s := &stage{source: source}
	s.job = media.Job{
		Meter: media.NewMeter(0), Observer: &s.seen, Log: slog.New(slog.DiscardHandler),
		Retry: func(media.Kind) media.Retry {
			return media.Retry{First: 100 * time.Millisecond, Max: time.Second, For: time.Minute}
		},
		Asks: media.Asks{MayOpenRoom: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			leased, cancel := context.WithCancel(ctx)
			return leased, cancel, nil
		}},
	}
	return s
}

func (s *stage) open(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
	f := s.source(len(s.opened))
	f.Ctx = ctx
	s.opened = append(s.opened, &f)
	return &f, nil
}

func (s *stage) play(ctx context.Context) error {
	return (&Pusher{Opener: fakesource.OpenerFunc(s.open), Dialer: &s.room, Door: &s.room}).Play(ctx, s.job)
}

// noRetry is the policy of a push that fails at once.
func noRetry(media.Kind) media.Retry { return media.Retry{} }

func whole(length time.Duration) func(int) fakesource.Source {
	return func(int) fakesource.Source { return fakesource.Source{Of: fakesource.Clip(length)} }
}

// requireRising asserts that DTS rise strictly per track.
func requireRising(t *testing.T, got []arrival) {
	t.Helper()
	last := map[int]time.Duration{0: -1, 1: -1}
	for i := range got { // which may be hours
		p := &got[i]
		if p.DTS <= last[p.Track] || p.PTS < p.DTS {
			require.Fail(t, "it does not rise", "packet %d of track %d: DTS %v after %v, PTS %v", i, p.Track, p.DTS, last[p.Track], p.PTS)
		}
		last[p.Track] = p.DTS
	}
}

// requireInTime asserts that no packet came after its DTS, nor more than a batch before it.
func requireInTime(t *testing.T, got []arrival) {
	t.Helper()
	for i := range got {
		early := got[i].DTS - got[i].at
		require.GreaterOrEqual(t, early, time.Duration(0), "at %v", got[i].at)
		require.Less(t, early, clock.BatchSpan, "at %v", got[i].at)
	}
}

func TestAFileIsPlayedOnceInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 10, time.Since(begin).Seconds(), 0.05)
		require.Len(t, s.room.got, 500)
		requireRising(t, s.room.got)
		requireInTime(t, s.room.got)
		require.Equal(t, []string{"planned", "publishing"}, s.seen.lines)
		require.Equal(t, 1, s.room.closes)
		require.True(t, s.opened[0].Closed)
		require.Equal(t, 10*time.Second, s.job.Meter.Snapshot(time.Now()).Position)
	})
}

func TestASecondIsWrittenAtTwentyFiveMoments(t *testing.T) {
	for name, transcode := range map[string]media.TranscodeMode{"copied": media.TranscodeAuto, "re-encoded": media.TranscodeAlways} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(whole(10 * time.Second))
				s.job.Options.Transcode = transcode
				require.NoError(t, s.playFrom(t.Context(), s.open, &fakeCoders{}))
				require.Len(t, s.room.got, 500)
				few := 1
				if transcode == media.TranscodeAlways { // at its begin an encoder is not ahead yet
					few = 2
				}
				require.InDelta(t, 10*time.Second/clock.BatchSpan, s.room.writes, float64(few))
			})
		})
	}
}

// uneven is a clip whose times are not whole milliseconds.
type uneven struct{ *fakesource.Source }

func (s uneven) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	for _, d := range []*time.Duration{&p.PTS, &p.DTS, &p.Duration} {
		*d = *d * 16 / 15
	}
	return p, err
}

func TestNoPacketIsMoreThanABatchAheadWhateverItsTimes(t *testing.T) {
	for after := range 40 { // the moment at which batches go out
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(after)*time.Millisecond + time.Millisecond/2)
			s := newStage(nil)
			open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
				return uneven{&fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second)}}, nil
			})
			require.NoError(t, s.playFrom(t.Context(), open, nil))
			require.Len(t, s.room.got, 500)
			requireInTime(t, s.room.got)
		})
	}
}

func TestALiveStreamIsSentAsItComesAndWaitsForNoBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(nil)
		s.job.Source.Mode = media.ModeLive
		s.job.Retry = func(media.Kind) media.Retry { return media.Retry{} }
		open := fakesource.OpenerFunc(func(ctx context.Context, _ media.SourceRequest) (media.Source, error) {
			return &inRealTime{&fakesource.Source{Ctx: ctx, Of: fakesource.Stream(10 * time.Second)}, time.Now()}, nil
		})
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.playFrom(t.Context(), open, nil)))
		first := s.room.got[50] // the burst at the begin is over
		for _, p := range s.room.got[51:] {
			require.Equal(t, p.DTS-first.DTS, p.at-first.at)
		}
	})
}

func TestAnHourOfMediaTakesAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Hour))
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, time.Hour.Milliseconds(), time.Since(begin).Milliseconds(), 50)
	})
}

func TestASourceStartsAtTheKeyframeBeforeThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Start = 7300 * time.Millisecond
		require.NoError(t, s.play(t.Context()))
		require.Len(t, s.room.got, 150)
		require.True(t, s.room.got[0].Keyframe)
		require.Zero(t, s.room.got[0].DTS)
	})
}

func TestALiveSourceIgnoresThePositionAndIsNotPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source { return fakesource.Source{Of: fakesource.Stream(time.Second)} })
		s.job.Source.Mode, s.job.Start = media.ModeLive, 500*time.Millisecond
		s.job.Retry = noRetry
		begin := time.Now()
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
		require.Zero(t, time.Since(begin))
		require.Len(t, s.room.got, 50)
	})
}

func TestBFramesAreATypedFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(10 * time.Second), Reorder: true}
		})
		s.job.Retry = noRetry
		err := s.play(t.Context())
		require.Equal(t, media.KindSourceUnsupported, media.KindOf(err))
		require.ErrorContains(t, err, "B-frames")
		require.Zero(t, s.room.dials, "the room is not opened for a source it cannot take")
		require.Equal(t, media.Transcode, s.seen.plan.Video.Action)
		require.Equal(t, media.Copy, s.seen.plan.Audio.Action)
	})
}

func TestAStopEndsThePlayAtOnceWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Hour))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(media.ErrStopped) })
		begin := time.Now()
		require.ErrorIs(t, s.play(ctx), media.ErrStopped)
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.Equal(t, 1, s.room.closes)
	})
}

func TestABrokenRoomIsDialledAgainAndTheFileGoesOnAtItsKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.room.writeErr = func(p media.Packet) error {
			if p.DTS < 4500*time.Millisecond {
				return nil
			}
			return &media.Error{Kind: media.KindRoomClosed, Op: "publish", Err: io.EOF} // hung up in order
		}
		require.NoError(t, s.play(t.Context()))
		require.Equal(t, 2, s.room.dials)
		require.Equal(t, []string{"planned", "publishing", "reconnecting room_closed", "publishing"}, s.seen.lines)
		requireRising(t, s.room.got)
		require.Len(t, s.room.got, 225+300, "from the keyframe at 4 s again")
		require.EqualValues(t, 1, s.job.Meter.Snapshot(time.Now()).Reconnects)
	})
}

func TestABrokenSourceIsOpenedAgainWhileTheRoomStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(opens int) fakesource.Source {
			f := fakesource.Source{Of: fakesource.Clip(10 * time.Second)}
			if opens == 0 {
				f.FailAt, f.Err = 5*time.Second, &media.Error{Kind: media.KindSourceUnavailable, Op: "read source", Err: io.EOF}
			}
			return f
		})
		require.NoError(t, s.play(t.Context()))
		require.Equal(t, 1, s.room.dials)
		require.Len(t, s.opened, 2)
		requireRising(t, s.room.got)
		require.Len(t, s.room.got, 250+300, "from the keyframe at 4 s again")
	})
}

func TestTryingAgainEndsWhenThePolicySaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.job.Retry = func(media.Kind) media.Retry {
			return media.Retry{First: time.Second, Max: 2 * time.Second, For: 10 * time.Second}
		}
		for range 100 {
			s.room.dialErrs = append(s.room.dialErrs, &media.Error{Kind: media.KindRoomConflict, Op: "publish", Code: "NetStream.Publish.BadName"})
		}
		begin := time.Now()
		err := s.play(t.Context())
		require.Equal(t, media.KindRoomConflict, media.KindOf(err))
		require.Equal(t, 10*time.Second, time.Since(begin).Round(time.Millisecond))
		require.Greater(t, s.room.dials, 4)
	})
}

func TestTheRoomIsNotOpenedBeforeTheLeaseAllowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Second))
		s.job.MayOpenRoom = func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			return ctx, func() {}, retry.Sleep(ctx, 3*time.Second)
		}
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.Equal(t, 3*time.Second, s.room.begin.Sub(begin))
		require.Len(t, s.room.got, 50)
	})
}

func TestAFileThatFellBehindSlipsItsClockInsteadOfBursting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.room.writeErr = func(p media.Packet) error {
			if p.DTS == 2*time.Second {
				time.Sleep(3 * time.Second) // the room does not read
				s.room.writeErr = nil
			}
			return nil
		}
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 13, time.Since(begin).Seconds(), 0.05)
	})
}

func TestAPushThatKeepsFallingBehindSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Minute))
		last := time.Duration(0)
		s.room.writeErr = func(p media.Packet) error {
			if p.DTS-last >= 5*time.Second {
				last = p.DTS
				time.Sleep(2 * time.Second) // the room does not read
			}
			return nil
		}
		require.NoError(t, s.play(t.Context()))
		require.Equal(t, []string{"planned", "publishing", "warned too_slow"}, s.seen.lines)
	})
}

func TestAnEmptySourceIsNotMedia(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(0))
		s.job.Retry = noRetry
		require.Equal(t, media.KindSourceInvalid, media.KindOf(s.play(t.Context())))
	})
}

func TestAnErrorThatIsNotOursIsInternal(t *testing.T) {
	require.Equal(t, media.KindInternal, media.KindOf(errors.New("x")))
}

// shifted gives out a clip's audio a while after the video that belongs to it.
type shifted struct {
	*fakesource.Source
	by    time.Duration
	queue []media.Packet
}

func (s *shifted) ReadPacket() (media.Packet, error) {
	for {
		if len(s.queue) > 0 && s.queue[0].DTS+s.by <= s.Next {
			p := s.queue[0]
			s.queue = s.queue[1:]
			return p, nil
		}
		p, err := s.Source.ReadPacket()
		if err != nil || p.Track == 0 {
			return p, err
		}
		s.queue = append(s.queue, p)
	}
}

func TestAudioThatStandsLateInTheFileDoesNotHoldUpTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			return &shifted{Source: &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second)}, by: 1500 * time.Millisecond}, nil
		})
		begin := time.Now()
		require.NoError(t, (&Pusher{Opener: open, Dialer: &s.room, Door: &s.room}).Play(t.Context(), s.job))
		require.InDelta(t, 10, time.Since(begin).Seconds(), 0.1)
	})
}

func TestALivePlaylistIsPacedAlthoughItsSegmentsComeInBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			info := fakesource.Clip(20 * time.Second)
			info.Container, info.Live = "hls", true
			return fakesource.Source{Of: info}
		})
		s.job.Retry = noRetry
		begin := time.Now()
		require.Equal(t, media.KindSourceEnded, media.KindOf(s.play(t.Context())))
		require.InDelta(t, 20, time.Since(begin).Seconds(), 0.1)
		require.Len(t, s.room.got, 1000)
	})
}

func TestASourceThatWasThereBeforeIsWaitedForWhenItIsNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := 0
		s := newStage(whole(10 * time.Second))
		open := fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			switch opens++; opens {
			case 1:
				return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second), FailAt: 5 * time.Second, Err: &media.Error{Kind: media.KindSourceUnavailable}}, nil
			case 2, 3:
				return nil, &media.Error{Kind: media.KindSourceNotFound, Op: "open source"}
			}
			return &fakesource.Source{Ctx: ctx, Of: fakesource.Clip(10 * time.Second)}, nil
		})
		s.job.Retry = func(k media.Kind) media.Retry {
			if k == media.KindSourceNotFound {
				return media.Retry{}
			}
			return media.Retry{First: time.Second, Max: time.Second, For: time.Minute}
		}
		require.NoError(t, (&Pusher{Opener: open, Dialer: &s.room, Door: &s.room}).Play(t.Context(), s.job))
		require.Equal(t, 4, opens)
	})
}

func TestASourceThatEndsBeforeItsLengthIsNotSaidToHaveBeenPlayedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakesource.Source {
			return fakesource.Source{Of: fakesource.Clip(20 * time.Second), FailAt: 5 * time.Second, Err: io.EOF}
		})
		require.NoError(t, s.play(t.Context()))
		require.Contains(t, s.seen.lines, "warned ended_early")
		require.Less(t, s.job.Meter.Snapshot(time.Now()).Position, 6*time.Second)
	})
}

func TestASourceWhoseClockStepsBackHasNotEndedEarly(t *testing.T) {
	for _, mode := range []media.TranscodeMode{media.TranscodeAuto, media.TranscodeAlways} {
		synctest.Test(t, func(t *testing.T) {
			m, s := newMadeOf([]clipPart{{length: 14 * time.Second, picture: true, sound: true}}), newStage(nil)
			for i := range m.packets {
				if p := &m.packets[i]; p.DTS >= 6*time.Second {
					p.PTS, p.DTS = p.PTS-4*time.Second, p.DTS-4*time.Second
				}
			}
			s.job.Options.FillAudio, s.job.Options.Transcode = true, mode
			require.NoError(t, s.playFrom(t.Context(), m.open, &fakeCoders{}))
			require.NotContains(t, s.seen.lines, "warned ended_early")
			require.Equal(t, 14*time.Second, s.job.Meter.Snapshot(time.Now()).Position)
		})
	}
}

func TestAPictureThatNothingDecodesIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		stream media.Stream
		tracks []media.Track
		want   int
	}{
		"and there is no other":                {media.Stream{Type: "video", Codec: "flashsv", NoDecoder: true}, fakesource.Clip(0).Tracks[1:], 1},
		"it is scrambled":                      {media.Stream{Type: "video", Codec: "h264", LeftOut: media.LeftScrambled}, fakesource.Clip(0).Tracks[1:], 1},
		"beside another":                       {media.Stream{Type: "video", Codec: "flashsv", NoDecoder: true}, fakesource.Clip(0).Tracks, 0},
		"but of which too little was seen yet": {media.Stream{Type: "video", Codec: "h264"}, fakesource.Clip(0).Tracks[1:], 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakesource.Source {
					f := fakesource.Source{Of: fakesource.Clip(2 * time.Second)}
					f.Of.Tracks, f.Of.Streams = c.tracks, []media.Stream{c.stream}
					return f
				})
				s.job.Options.Repeat = 2
				require.NoError(t, s.play(t.Context()))
				require.Len(t, s.seen.messages, c.want)
				for _, m := range s.seen.messages {
					require.Contains(t, m, "the source's video is left out")
				}
			})
		})
	}
}

// keyframes are those of the pictures that came.
func (r *fakeRoom) keyframes() (all []media.Packet) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.got {
		if p.Keyframe {
			all = append(all, p.Packet)
		}
	}
	return all
}

// hangsUpAfter makes the room hang up that long after each publish.
func (r *fakeRoom) hangsUpAfter(d time.Duration) media.Dialer {
	return dialled{r, func() { time.AfterFunc(d, func() { r.hangUp(media.KindRoomClosed) }) }}
}

// of returns what came of one track.
func (r *fakeRoom) of(track int) []arrival {
	return slices.DeleteFunc(slices.Clone(r.got), func(a arrival) bool { return a.Track != track })
}

// once makes the room fail with kind at the first packet from dts on.
func (r *fakeRoom) breakAt(dts time.Duration, kind media.Kind) {
	r.writeErr = func(p media.Packet) error {
		if p.DTS < dts {
			return nil
		}
		return &media.Error{Kind: kind, Op: "publish", Err: io.EOF}
	}
}
