package media

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
)

// fakeSource plays a made-up clip: video at 25 fps with a keyframe a second,
// audio every 20 ms.
type fakeSource struct {
	ctx         context.Context
	info        SourceInfo
	reorder     bool
	reorderFrom time.Duration
	corruptFrom time.Duration // 0: never
	next        time.Duration
	failAt      time.Duration // 0: never
	err         error
	closed      bool
}

const (
	frame      = 40 * time.Millisecond
	audioFrame = 20 * time.Millisecond
)

func clip(length time.Duration) SourceInfo {
	return SourceInfo{Container: "mov", Duration: length, Tracks: []Track{
		{Type: Video, Codec: H264, Width: 640, Height: 360, PixelFormat: "yuv420p", Extradata: []byte{1, 66, 0, 30, 255, 225, 0}},
		{Type: Audio, Codec: AAC, SampleRate: 48000, Channels: 2, Extradata: []byte{0x11, 0x90}},
	}}
}

// stream is what libav calls live.
func stream(length time.Duration) SourceInfo {
	info := clip(length)
	info.Live = true
	return info
}

func (s *fakeSource) Info() SourceInfo { return s.info }
func (s *fakeSource) Close() error     { s.closed = true; return nil }

func (s *fakeSource) Seek(pos time.Duration) error {
	if s.info.Live {
		return &Error{Kind: KindInternal, Op: "seek", Err: errors.ErrUnsupported}
	}
	s.next = pos.Truncate(time.Second)
	return nil
}

// ReadPacket returns video at multiples of frame, and audio between.
func (s *fakeSource) ReadPacket() (Packet, error) {
	for {
		p, err := s.read()
		track := slices.IndexFunc(s.info.Tracks, func(t Track) bool { return int(t.Type) == p.Track })
		if err != nil || track >= 0 {
			p.Track = track
			return p, err
		}
	}
}

func (s *fakeSource) read() (Packet, error) {
	if s.ctx.Err() != nil {
		return Packet{}, context.Cause(s.ctx)
	}
	if s.failAt > 0 && s.next >= s.failAt {
		return Packet{}, s.err
	}
	if s.next >= s.info.Duration {
		return Packet{}, io.EOF
	}
	at := s.next
	s.next += audioFrame
	if at%frame != 0 {
		return Packet{Track: 1, PTS: at, DTS: at, Duration: audioFrame, Data: []byte{0xaa}}, nil
	}
	p := Packet{Track: 0, PTS: at, DTS: at, Duration: frame, Keyframe: at%time.Second == 0, Data: []byte{0, 0, 0, 1, 0x65}}
	if s.reorder && at >= s.reorderFrom && at%(3*frame) == 0 {
		p.PTS += 3 * frame // shown after the two that follow
	}
	p.Corrupt = s.corruptFrom > 0 && at >= s.corruptFrom
	return p, nil
}

type openerFunc func(ctx context.Context, r SourceRequest) (Source, error)

func (f openerFunc) Open(ctx context.Context, r SourceRequest) (Source, error) { return f(ctx, r) }

// arrival is a packet and when it came to the room.
type arrival struct {
	Packet
	at time.Duration // since the room was first dialled
}

// fakeRoom is a Dialer, Door and Publisher in one.
type fakeRoom struct {
	mu       sync.Mutex
	begin    time.Time
	got      []arrival
	dials    int
	told     []Track // by the last dial
	closes   int
	ending   sync.Mutex    // of the two below; mu may be held for long
	done     chan struct{} // of the last dial
	end      error         // what it was hung up with
	dialErrs []error       // returned by the next dials
	writeErr func(p Packet) error
	always   func(p Packet) error
	expires  time.Time
	sent     int64
	// unconfirmed is what its machine leaves so.
	unconfirmed time.Duration
}

func (r *fakeRoom) Address(Destination, time.Time) (PublishAddress, error) {
	return PublishAddress{Expires: r.expires}, nil
}

func (r *fakeRoom) Check(Destination, time.Time) error { return nil }

func (r *fakeRoom) Rules() Rules {
	return Rules{Video: []Codec{H264}, Audio: []Codec{AAC}, PixelFormats: []string{"yuv420p"}}
}

func (r *fakeRoom) Dial(ctx context.Context, _ PublishAddress, tracks []Track) (Publisher, error) {
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

// hangUp ends the session as a room does.
func (r *fakeRoom) hangUp(kind Kind) {
	r.ending.Lock()
	defer r.ending.Unlock()
	r.end = &Error{Kind: kind, Op: "room connection", Err: io.EOF}
	close(r.done)
}

func (r *fakeRoom) Done() <-chan struct{} {
	r.ending.Lock()
	defer r.ending.Unlock()
	return r.done
}

func (r *fakeRoom) Err() error {
	r.ending.Lock()
	defer r.ending.Unlock()
	return r.end
}

func (r *fakeRoom) WritePacket(_ context.Context, p Packet) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.Err(); err != nil {
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
	r.sent += int64(len(p.Data))
	r.got = append(r.got, arrival{p, time.Since(r.begin)})
	return nil
}

func (r *fakeRoom) Unconfirmed() time.Duration { return r.unconfirmed }

func (r *fakeRoom) SentBytes() int64 { return r.sent }

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
	plan     Plan // the last of plans
	plans    []Plan
}

func (o *recorder) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, line)
}

func (o *recorder) Planned(_ SourceInfo, _ bool, p Plan) {
	o.plan, o.plans = p, append(o.plans, p)
	o.add("planned")
}
func (o *recorder) Publishing() { o.add("publishing") }
func (o *recorder) Reconnecting(err error, _ time.Duration, _ time.Time) {
	o.add("reconnecting " + KindOf(err).String())
}
func (o *recorder) Warned(code WarningCode, message string) {
	o.add("warned " + string(code))
	o.mu.Lock()
	defer o.mu.Unlock()
	o.messages = append(o.messages, message)
}

var _ Observer = (*recorder)(nil)

// stage is a pusher with fakes around it.
type stage struct {
	room   fakeRoom
	seen   recorder
	job    Job
	opened []*fakeSource
	source func(opens int) fakeSource
}

func newStage(source func(opens int) fakeSource) *stage {
	s := &stage{source: source}
	s.job = Job{
		Meter: NewMeter(0), Observer: &s.seen, Log: slog.New(slog.DiscardHandler),
		Retry: func(Kind) Retry { return Retry{First: 100 * time.Millisecond, Max: time.Second, For: time.Minute} },
		MayOpenRoom: func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			leased, cancel := context.WithCancel(ctx)
			return leased, cancel, nil
		},
	}
	return s
}

func (s *stage) open(ctx context.Context, _ SourceRequest) (Source, error) {
	f := s.source(len(s.opened))
	f.ctx = ctx
	s.opened = append(s.opened, &f)
	return &f, nil
}

func (s *stage) play(ctx context.Context) error {
	return (&Pusher{Opener: openerFunc(s.open), Dialer: &s.room, Door: &s.room}).Play(ctx, s.job)
}

func whole(length time.Duration) func(int) fakeSource {
	return func(int) fakeSource { return fakeSource{info: clip(length)} }
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

func TestAFileIsPlayedOnceInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		begin := time.Now()
		require.NoError(t, s.play(t.Context()))
		require.InDelta(t, 10, time.Since(begin).Seconds(), 0.05)
		require.Len(t, s.room.got, 500)
		requireRising(t, s.room.got)
		for _, p := range s.room.got {
			require.Equal(t, p.DTS, p.at)
		}
		require.Equal(t, []string{"planned", "publishing"}, s.seen.lines)
		require.Equal(t, 1, s.room.closes)
		require.True(t, s.opened[0].closed)
		require.Equal(t, 10*time.Second, s.job.Meter.Snapshot(time.Now()).Position)
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
		s := newStage(func(int) fakeSource { return fakeSource{info: stream(time.Second)} })
		s.job.Source.Mode, s.job.Start = ModeLive, 500*time.Millisecond
		s.job.Retry = func(Kind) Retry { return Retry{} }
		begin := time.Now()
		require.Equal(t, KindSourceEnded, KindOf(s.play(t.Context())))
		require.Zero(t, time.Since(begin))
		require.Len(t, s.room.got, 50)
	})
}

func TestBFramesAreATypedFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakeSource { return fakeSource{info: clip(10 * time.Second), reorder: true} })
		s.job.Retry = func(Kind) Retry { return Retry{} }
		err := s.play(t.Context())
		require.Equal(t, KindSourceUnsupported, KindOf(err))
		require.ErrorContains(t, err, "B-frames")
		require.Zero(t, s.room.dials, "the room is not opened for a source it cannot take")
		require.Equal(t, Transcode, s.seen.plan.Video.Action)
		require.Equal(t, Copy, s.seen.plan.Audio.Action)
	})
}

func TestAStopEndsThePlayAtOnceWithItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Hour))
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(ErrStopped) })
		begin := time.Now()
		require.ErrorIs(t, s.play(ctx), ErrStopped)
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.Equal(t, 1, s.room.closes)
	})
}

func TestABrokenRoomIsDialledAgainAndTheFileGoesOnAtItsKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		s.room.writeErr = func(p Packet) error {
			if p.DTS < 4500*time.Millisecond {
				return nil
			}
			return &Error{Kind: KindRoomClosed, Op: "publish", Err: io.EOF} // hung up in order
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
		s := newStage(func(opens int) fakeSource {
			f := fakeSource{info: clip(10 * time.Second)}
			if opens == 0 {
				f.failAt, f.err = 5*time.Second, &Error{Kind: KindSourceUnavailable, Op: "read source", Err: io.EOF}
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
		s.job.Retry = func(Kind) Retry { return Retry{First: time.Second, Max: 2 * time.Second, For: 10 * time.Second} }
		for range 100 {
			s.room.dialErrs = append(s.room.dialErrs, &Error{Kind: KindRoomConflict, Op: "publish", Code: "NetStream.Publish.BadName"})
		}
		begin := time.Now()
		err := s.play(t.Context())
		require.Equal(t, KindRoomConflict, KindOf(err))
		require.Equal(t, 10*time.Second, time.Since(begin).Round(time.Millisecond))
		require.Greater(t, s.room.dials, 4)
	})
}

func TestTheRoomIsNotOpenedBeforeTheLeaseAllowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(time.Second))
		s.job.MayOpenRoom = func(ctx context.Context) (context.Context, context.CancelFunc, error) {
			return ctx, func() {}, sleep(ctx, 3*time.Second)
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
		s.room.writeErr = func(p Packet) error {
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
		s.room.writeErr = func(p Packet) error {
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
		s.job.Retry = func(Kind) Retry { return Retry{} }
		require.Equal(t, KindSourceInvalid, KindOf(s.play(t.Context())))
	})
}

func TestAnErrorThatIsNotOursIsInternal(t *testing.T) {
	require.Equal(t, KindInternal, KindOf(errors.New("x")))
}

// shifted gives out a clip's audio a while after the video that belongs to it.
type shifted struct {
	*fakeSource
	by    time.Duration
	queue []Packet
}

func (s *shifted) ReadPacket() (Packet, error) {
	for {
		if len(s.queue) > 0 && s.queue[0].DTS+s.by <= s.next {
			p := s.queue[0]
			s.queue = s.queue[1:]
			return p, nil
		}
		p, err := s.fakeSource.ReadPacket()
		if err != nil || p.Track == 0 {
			return p, err
		}
		s.queue = append(s.queue, p)
	}
}

func TestAudioThatStandsLateInTheFileDoesNotHoldUpTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(10 * time.Second))
		open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			return &shifted{fakeSource: &fakeSource{ctx: ctx, info: clip(10 * time.Second)}, by: 1500 * time.Millisecond}, nil
		})
		begin := time.Now()
		require.NoError(t, (&Pusher{Opener: open, Dialer: &s.room, Door: &s.room}).Play(t.Context(), s.job))
		require.InDelta(t, 10, time.Since(begin).Seconds(), 0.1)
	})
}

func TestALivePlaylistIsPacedAlthoughItsSegmentsComeInBursts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakeSource {
			info := clip(20 * time.Second)
			info.Container, info.Live = "hls", true
			return fakeSource{info: info}
		})
		s.job.Retry = func(Kind) Retry { return Retry{} }
		begin := time.Now()
		require.Equal(t, KindSourceEnded, KindOf(s.play(t.Context())))
		require.InDelta(t, 20, time.Since(begin).Seconds(), 0.1)
		require.Len(t, s.room.got, 1000)
	})
}

func TestASourceThatWasThereBeforeIsWaitedForWhenItIsNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opens := 0
		s := newStage(whole(10 * time.Second))
		open := openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			switch opens++; opens {
			case 1:
				return &fakeSource{ctx: ctx, info: clip(10 * time.Second), failAt: 5 * time.Second, err: &Error{Kind: KindSourceUnavailable}}, nil
			case 2, 3:
				return nil, &Error{Kind: KindSourceNotFound, Op: "open source"}
			}
			return &fakeSource{ctx: ctx, info: clip(10 * time.Second)}, nil
		})
		s.job.Retry = func(k Kind) Retry {
			if k == KindSourceNotFound {
				return Retry{}
			}
			return Retry{First: time.Second, Max: time.Second, For: time.Minute}
		}
		require.NoError(t, (&Pusher{Opener: open, Dialer: &s.room, Door: &s.room}).Play(t.Context(), s.job))
		require.Equal(t, 4, opens)
	})
}

func TestTheLookAheadIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := clip(time.Hour)
		info.Tracks[0].Extradata = nil // never known: no parameter sets come
		f, err := openFeed(t.Context(), openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			return &fat{&fakeSource{ctx: ctx, info: info}}, nil
		}), SourceRequest{}, part{}, nil)
		require.NoError(t, err)
		defer f.close()
		_, err = f.look(t.Context())
		require.NoError(t, err)
		require.False(t, f.configured())
		held := 0
		for _, p := range f.held {
			held += len(p.Data)
		}
		require.Less(t, held, queueBytes+(1<<20))
	})
}

// fat makes every packet 100 KiB.
type fat struct{ *fakeSource }

func (s *fat) ReadPacket() (Packet, error) {
	p, err := s.fakeSource.ReadPacket()
	p.Data = append(p.Data, make([]byte, 100<<10)...)
	return p, err
}

func TestASourceThatEndsBeforeItsLengthIsNotSaidToHaveBeenPlayedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(func(int) fakeSource {
			return fakeSource{info: clip(20 * time.Second), failAt: 5 * time.Second, err: io.EOF}
		})
		require.NoError(t, s.play(t.Context()))
		require.Contains(t, s.seen.lines, "warned ended_early")
		require.Less(t, s.job.Meter.Snapshot(time.Now()).Position, 6*time.Second)
	})
}

func TestASourceWhoseClockStepsBackHasNotEndedEarly(t *testing.T) {
	for _, mode := range []TranscodeMode{TranscodeAuto, TranscodeAlways} {
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
		stream Stream
		tracks []Track
		want   int
	}{
		"and there is no other":                {Stream{Type: "video", Codec: "flashsv", NoDecoder: true}, clip(0).Tracks[1:], 1},
		"beside another":                       {Stream{Type: "video", Codec: "flashsv", NoDecoder: true}, clip(0).Tracks, 0},
		"but of which too little was seen yet": {Stream{Type: "video", Codec: "h264"}, clip(0).Tracks[1:], 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(func(int) fakeSource {
					f := fakeSource{info: clip(2 * time.Second)}
					f.info.Tracks, f.info.Streams = c.tracks, []Stream{c.stream}
					return f
				})
				s.job.Options.Repeat = 2
				require.NoError(t, s.play(t.Context()))
				require.Len(t, s.seen.messages, c.want)
				for _, m := range s.seen.messages {
					require.Contains(t, m, "flashsv")
				}
			})
		})
	}
}
