package host

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// hearing is a source whose host says so.
func hearing(t *testing.T, tracks int, frames ...[]byte) *source {
	t.Helper()
	info := media.SourceInfo{Tracks: []media.Track{{Type: media.Video}, {Type: media.Audio}}[:tracks]}
	return &source{
		conn: newConn(said{Reader: bytes.NewReader(bytes.Join(frames, nil))}),
		log:  logbook{log: slog.New(slog.DiscardHandler)}, info: info, tracks: tracks, supply: supply{ctx: t.Context(), way: media.Way{Bytes: textOf()}},
	}
}

// batchOf is a batch of so many packets, after which no bytes are wanted.
func batchOf(count uint64, packets []byte) []byte {
	return append(binary.AppendUvarint([]byte{0, 0, 0, 0}, count), packets...)
}

func TestWhatAHostSaysTakesLittleMoreMemoryThanItsBytes(t *testing.T) {
	few := packetOf(media.Packet{})
	many := bytes.Repeat(few, 1<<17)
	require.NoError(t, hearing(t, 1).take(batchOf(batchPackets, many)))
	require.ErrorIs(t, hearing(t, 1).take(batchOf(1<<17, many)), errFrame)
	_, _, err := answer(append([]byte{0, 0, 0x80, 0x80, 8}, many...)) // 1<<17 of them
	require.ErrorIs(t, err, errFrame)
	t.Run("packets that all have the same place", func(t *testing.T) {
		s := hearing(t, 1)
		s.window.add(0, make([]byte, mostLeft))
		s.window.leave(mostLeft)
		s.window.add(mostLeft, make([]byte, mostRead))
		all := packetOf(media.Packet{})
		all = binary.AppendUvarint(binary.AppendVarint(append([]byte{0x80, 2}, all[1:len(all)-1]...), 0), mostLeft+mostRead)
		require.NoError(t, s.take(batchOf(2, bytes.Repeat(all, 2))))
		require.ErrorIs(t, s.take(batchOf(batchPackets, bytes.Repeat(all, batchPackets))), errFrame)
	})
	t.Run("streams of a source", func(t *testing.T) {
		all := `{"Info":{"Streams":[{}` + strings.Repeat(",{}", mostJSON/3) + `]}}`
		_, err := hearing(t, 0, frameOf(kindOpen, []byte(all)...)).hear(kindOpen)
		require.ErrorIs(t, err, errFrame)
	})
}

func TestAHostCannotGiveASourceTracksThatNobodyKnows(t *testing.T) {
	third := packetOf(media.Packet{Track: 2, Change: &media.Track{Type: media.Audio}})
	second := packetOf(media.Packet{Track: 1, Change: &media.Track{Type: media.Audio}})
	require.NoError(t, hearing(t, 1).take(batchOf(1, second)))
	require.ErrorIs(t, hearing(t, 2).take(batchOf(1, third)), errFrame)
	require.ErrorIs(t, hearing(t, 2, jsonFrame(kindSeek, opened{})).seek(time.Second), errFrame, "nor take them away")
	_, err := hearing(t, 0, jsonFrame(kindOpen, opened{Info: media.SourceInfo{Still: true}})).hear(kindOpen)
	require.ErrorIs(t, err, errFrame, "a picture without one")
	_, err = hearing(t, 1, frameOf(kindBatch, append([]byte{100, 0, 0, 0, 1}, packetOf(media.Packet{})...)...)).hear(kindOpen)
	require.ErrorIs(t, err, errFrame, "nor packets, again and again, while nobody asks for them")
}

func TestLinesThatAreTooManyAreNotEvenRead(t *testing.T) {
	b := logbook{log: slog.New(slog.DiscardHandler)}
	for range mostLines {
		require.NoError(t, b.write([]byte(`{}`)))
	}
	require.NoError(t, b.write([]byte("no JSON")))
}

func TestWhatAHostSaysOfAFaultIsShort(t *testing.T) {
	long := strings.Repeat("x", 1<<16)
	var deep error
	for range 100 {
		deep = media.Because(long, deep)
	}
	for _, err := range []error{
		errors.New(long), deep, &media.Error{Op: long, Err: media.Sentence(long)}, &media.Error{Op: long, Err: media.Because(long, errors.New(long))},
	} {
		require.Less(t, len(faultOf(err).error().Error()), 4*mostLetter)
	}
	require.NotPanics(t, func() { _ = faultOf(deep).error() })
}

func TestAnErrorComesOutOfAHostAsItWasInIt(t *testing.T) {
	cause := errors.New("Invalid data")
	for _, err := range []error{
		nil, io.EOF, media.ErrLateVideo,
		&media.Error{Kind: media.KindSourceInvalid, Op: opOpen},
		&media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: cause},
		&media.Error{Kind: media.KindSourceInvalid, Op: opOpen, Err: media.ErrLateVideo},
		&media.Error{Kind: media.KindSourceNoTrack, Op: opOpen, Err: media.Sentence("it has none")},
		&media.Error{Kind: media.KindSourceInvalid, Op: opRead, Err: media.Because("it is damaged", cause)},
		&media.Error{Kind: media.KindSourceStalled, Op: opRead, Err: &media.Error{Kind: media.KindSourceTooLarge, Op: opRead, Err: io.EOF}},
	} {
		require.Equal(t, err, faultOf(err).error())
	}
	typed := &media.Error{Kind: media.KindSourceInvalid, Op: opOpen}
	require.Equal(t, typed, faultOf(fmt.Errorf("act: %w", typed)).error())
	require.Equal(t, media.KindInternal, media.KindOf(faultOf(cause).error()))
	for _, k := range []media.Kind{media.KindRoomDenied, media.KindWorkerShort, -1, 1000} {
		require.Equal(t, media.KindInternal, media.KindOf(faultOf(&media.Error{Kind: k}).error()), "a host cannot know it")
	}
}

func TestAPictureThatIsTooLargeIsNotKept(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Picture(media.Keyframe{Data: bytes.Repeat([]byte("x"), mostPicture)})
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err))
}

func TestAHostThatAsksAndDoesNotListenHoldsNobodyUp(t *testing.T) {
	here, there, err := socketPair()
	require.NoError(t, err)
	defer func() { _ = there.Close() }()
	asks := frameOf(kindBatch, 0x80, 0x80, 8, 0, 0, 0, 0) // for 128 kB
	_, err = there.Write(bytes.Repeat(asks, 100))
	require.NoError(t, err)
	ctx, stop := context.WithCancelCause(t.Context())
	s := hearing(t, 1)
	s.ctx, s.conn, s.cancel = ctx, newConn(here), stop
	s.way.Bytes = textOf(strings.Repeat("x", 64<<20))
	defer func() { _ = here.Close() }()
	s.conn.bound(ctx)
	time.AfterFunc(50*time.Millisecond, func() { stop(media.ErrStopped) })
	read := make(chan error, 1)
	go func() {
		_, err := s.ReadPacket()
		read <- err
	}()
	select {
	case err := <-read:
		require.ErrorIs(t, err, media.ErrStopped)
	case <-time.After(5 * time.Second):
		t.Error("it waits for ever")
		_ = here.Close()
		require.Error(t, <-read)
	}
}

func TestASourceThatIsClosedIsNotSought(t *testing.T) {
	s := open(t, newPool(t, nil), textOf(numbered(10)...), nil)
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Seek(time.Second), errClosed)
}

// killing is a source whose host somebody kills as it asks why nothing comes.
type killing struct {
	*text
	pool   *Pool
	times  int
	signal syscall.Signal
}

func (k *killing) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	way, err := k.text.Open(ctx, r)
	way.Found = func() string {
		if k.times--; k.times < 0 {
			return "a page"
		}
		for _, h := range k.pool.living() {
			_ = syscall.Kill(h.cmd.Process.Pid, k.signal)
			<-h.gone
		}
		return "a page"
	}
	return way, err
}

func TestAHostThatDiesWhileItAsksWhyNothingComesIsReplaced(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: &media.Conduct{}}, &killing{text: textOf(), pool: p, times: 1, signal: syscall.SIGKILL})
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err), err)
}

func TestHostsThatDoNotStartAreNoFaultOfTheSource(t *testing.T) {
	for name, command := range map[string][]string{ // the program was replaced
		"by one that ends":    {"/bin/true"},
		"by one that babbles": {"/bin/sh", "-c", "printf eeeeeeeeee >&3"},
	} {
		t.Run(name, func(t *testing.T) {
			p, conduct := newPool(t, nil), &media.Conduct{}
			p.cfg.Command = command
			open(t, p, textOf("a"), nil) // has the one that was ready
			conduct.Died(media.Killing, true)
			_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, textOf("a"))
			require.Equal(t, media.KindWorkerShort, media.KindOf(err), err)
			require.ErrorContains(t, err, "start a media host")
			_, err = p.Transcoders().With(t.Context(), p.cfg.Log, conduct).Video(media.Track{}, media.VideoOutput{})
			require.Equal(t, media.KindWorkerShort, media.KindOf(err), err)
			conduct.Died(media.Death, false)
			require.False(t, conduct.Poisoned(), "it was not noted")
		})
	}
}

func TestHowFarASourceGotIsCountedFromWhereItBegan(t *testing.T) {
	at := func(t time.Duration) media.Packet { return media.Packet{PTS: t, DTS: t} }
	for name, c := range map[string]struct {
		times []time.Duration
		want  bool
	}{
		"nothing came":                      {nil, false},
		"of a clock that began long ago":    {[]time.Duration{10 * time.Hour}, false},
		"and of one that begins before 0":   {[]time.Duration{-time.Hour, -time.Hour + time.Second}, false},
		"two seconds":                       {[]time.Duration{time.Hour, time.Hour + further}, true},
		"two seconds behind what goes back": {[]time.Duration{time.Hour, time.Hour - time.Second, time.Hour + further}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var m mark
			for _, time := range c.times {
				m.note(at(time))
			}
			require.Equal(t, c.want, m.gotFurther())
			require.False(t, m.gotFurther(), "since the last one")
		})
	}
}

func TestABlackPictureIsMadeThoughItsHostDies(t *testing.T) {
	p := newPool(t, nil)
	ts := p.Transcoders().With(t.Context(), p.cfg.Log, &media.Conduct{})
	audio, err := ts.Audio(media.Track{Type: media.Audio}, media.AudioOutput{})
	require.NoError(t, err)
	defer audio.Close()
	h := audio.(*transcoder).host
	require.NoError(t, syscall.Kill(h.cmd.Process.Pid, syscall.SIGSTOP)) // it is killed as soon as that is noticed
	_, packets, err := ts.Black(media.VideoOutput{})
	require.NoError(t, err)
	require.Len(t, packets, 1)
}

func TestAStopDoesNotWaitForATranscoderThatHangs(t *testing.T) {
	for _, what := range []string{"hang", "loop"} {
		t.Run(what, func(t *testing.T) {
			p := newPool(t, nil)
			ctx, stop := context.WithCancelCause(t.Context())
			c, err := p.Transcoders().With(ctx, p.cfg.Log, &media.Conduct{}).Video(media.Track{}, media.VideoOutput{})
			require.NoError(t, err)
			h := c.(*transcoder).host
			time.AfterFunc(50*time.Millisecond, func() { stop(media.ErrStopped) })
			begin, noise := time.Now(), mediatest.WatchNoise(t)
			_, err = c.Transcode(media.Packet{Keyframe: true, Data: []byte(what)})
			require.ErrorIs(t, err, media.ErrStopped)
			c.Close()
			require.Less(t, time.Since(begin), 2*time.Second+mediatest.Hops*noise())
			select {
			case <-h.gone:
			case <-time.After(time.Minute):
				t.Fatal("the host goes on")
			}
		})
	}
}

func TestANeighbourIsNotBlamedForASourceThatDoesNotObey(t *testing.T) {
	p, good, bad := newPool(t, nil), &media.Conduct{}, &media.Conduct{}
	neighbour := open(t, p, textOf(numbered(3000)...), good)
	ctx, stop := context.WithCancelCause(t.Context())
	s, err := p.Demux(ctx, media.SourceRequest{Conduct: bad}, textOf("hang"))
	require.NoError(t, err)
	h := hostOf(neighbour)
	require.True(t, h == hostOf(s))
	time.AfterFunc(50*time.Millisecond, func() { stop(media.ErrStalled) })
	_, err = s.ReadPacket()
	require.Equal(t, media.KindSourceStalled, media.KindOf(err))
	require.NoError(t, s.Close())
	<-h.gone
	require.Equal(t, wanted(0, 3000), read(t, neighbour, -1))
	require.False(t, good.Apart())
	require.Eventually(t, bad.Apart, 10*time.Second, time.Millisecond, "what hangs is taken apart alone from now on")
}

func TestWhatATranscoderIsToSkipIsNotForgottenWhenItsHostDiesOfNoPicture(t *testing.T) {
	p := newPool(t, nil)
	c := coderOf(t, p, &media.Conduct{})
	c.SkipBefore(time.Second)
	require.Empty(t, code(t, c, 0, true, []byte("a")))
	h := c.(*transcoder).host
	require.NoError(t, syscall.Kill(h.cmd.Process.Pid, syscall.SIGKILL))
	<-h.gone
	_, err := c.Input(media.Track{Type: media.Video, Codec: "hevc"})
	require.NoError(t, err)
	require.Empty(t, code(t, c, time.Second/2, true, []byte("b")))
	require.Equal(t, "c;", code(t, c, time.Second, true, []byte("c")))
}

func TestAPreviewIsMadeThoughSomebodyKillsItsHost(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Picture(media.Keyframe{Data: []byte("picture")})
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(p.preview.host.cmd.Process.Pid, syscall.SIGSTOP)) // it is killed as soon as that is noticed
	jpeg, err := p.Picture(media.Keyframe{Data: []byte("picture")})
	require.NoError(t, err)
	require.Equal(t, "picture ", string(jpeg))
}

func TestASourceWhoseHostsSomebodyKillsAgainAndAgainIsNotPoisoned(t *testing.T) {
	p, conduct := newPool(t, nil), &media.Conduct{}
	_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &killing{text: textOf(), pool: p, times: 100, signal: syscall.SIGKILL})
	require.Equal(t, media.KindSourceDropped, media.KindOf(err), "it is to be tried after a while: %v", err)
	_, err = p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &killing{text: textOf(), pool: p})
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "and then gets its answer: %v", err)
}

func TestCrashesThatHitAPushBesideOthersAndThenAloneDoNotPoisonIt(t *testing.T) {
	p, conduct := newPool(t, nil), &media.Conduct{}
	_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &killing{text: textOf(), pool: p, times: 2, signal: syscall.SIGSEGV})
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "it gets its answer: %v", err)
	_, err = p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &killing{text: textOf(), pool: p, times: 1, signal: syscall.SIGSEGV})
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err), "a second one alone does: %v", err)
}

func TestASourceThatHangsIsPoisonedAndNotTriedForEver(t *testing.T) {
	for _, what := range []string{"hang", "loop"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, func(c *Config) { c.owes = 100 * time.Millisecond })
			conduct, tries := &media.Conduct{}, 0
			for ; p.Stats().Deaths[Stuck] < 10; tries++ {
				hangs := &text{Reader: bytes.NewReader([]byte(what + "\n")), seekable: true}
				_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct, ProbeTimeout: obeyTime}, hangs)
				if media.KindOf(err) == media.KindSourcePoisoned {
					require.GreaterOrEqual(t, tries, 3, "one beside others, two alone")
					return
				}
				require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), err)
			}
			t.Fatal("it is tried for ever")
		})
	}
}

func TestAPacketKeepsNothingElseOfItsFrame(t *testing.T) {
	p := packetOf(media.Packet{Data: []byte("data"), Extradata: []byte("config")})
	for name, payload := range map[string][]byte{"of a source": batchOf(1, p), "of a transcoder": append([]byte{0, 0, 1}, p...)} {
		t.Run(name, func(t *testing.T) {
			s := hearing(t, 1)
			var err error
			if name == "of a source" {
				err = s.take(payload)
			} else {
				s.packets, _, err = answer(payload)
			}
			require.NoError(t, err)
			clear(payload)
			require.Equal(t, "data", string(s.packets[0].Data))
			require.Equal(t, "config", string(s.packets[0].Extradata))
		})
	}
}

func TestAHostThatFetchesItsSourceAgainAndAgainIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hearing(t, 1)
		s.way.Bytes, s.wanted, s.begun = textOf(numbered(100)...), 100, time.Now()
		s.fed = fetchedAgain
		require.NoError(t, s.feed())
		require.Zero(t, time.Since(s.begun))
		s.wanted, s.fed = 100, s.way.Bytes.Size()+fetchedAgain+10*fetchedAgainRate
		require.NoError(t, s.feed())
		require.Equal(t, 10*time.Second, time.Since(s.begun))
	})
}

func TestNamesOfAHostAreShort(t *testing.T) {
	long := strings.Repeat("x", mostName+1)
	for name, i := range map[string]media.SourceInfo{
		"of a container": {Container: long},
		"of a stream":    {Streams: []media.Stream{{Codec: media.Codec(long)}}},
		"of a track":     {Tracks: []media.Track{{Profile: long}}},
	} {
		require.False(t, sound(i), name)
	}
	for codec, want := range map[string]error{long: errFrame, long[1:]: nil} {
		left := packetOf(media.Packet{LeftOut: &media.Stream{Codec: media.Codec(codec)}})
		require.ErrorIs(t, hearing(t, 1).take(batchOf(1, left)), want)
	}
}

func TestThePreviewsHostIsLetGoOnce(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Picture(media.Keyframe{Data: []byte("picture")})
	require.NoError(t, err)
	h := p.preview.host
	p.preview.end()
	p.preview.end()
	<-h.gone
	require.Zero(t, h.sessions)
}

func TestATranscoderThatFindsNoOtherHostIsForAnotherWorker(t *testing.T) {
	p := newPool(t, nil)
	c := coderOf(t, p, &media.Conduct{})
	require.Equal(t, "a;", code(t, c, 0, true, []byte("a")))
	require.Eventually(t, func() bool { return len(p.PIDs()) == 2 }, 10*time.Second, time.Millisecond)
	ready := p.living()
	for _, h := range ready {
		<-h.said
	}
	p.cfg.Command = []string{"/nowhere"}
	for _, h := range ready {
		require.NoError(t, syscall.Kill(h.cmd.Process.Pid, syscall.SIGKILL))
		<-h.gone
	}
	_, err := c.Transcode(media.Packet{Data: []byte("b")})
	require.Equal(t, media.KindWorkerShort, media.KindOf(err), err)
	_, err = c.Transcode(media.Packet{Data: []byte("c")})
	require.Equal(t, media.KindSourceDropped, media.KindOf(err), "it is to be opened anew: %v", err)
}
