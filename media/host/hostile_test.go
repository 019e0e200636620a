package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// hearing is a source whose host says so.
func hearing(t *testing.T, tracks int, frames ...[]byte) *source {
	t.Helper()
	info := media.SourceInfo{Tracks: []media.Track{{Type: media.Video}, {Type: media.Audio}}[:tracks]}
	return &source{
		ctx: t.Context(), conn: newConn(said{Reader: bytes.NewReader(bytes.Join(frames, nil))}),
		log: logbook{log: slog.New(slog.DiscardHandler)}, info: info, tracks: tracks, way: media.Way{Bytes: textOf()},
	}
}

func TestWhatAHostSaysTakesLittleMoreMemoryThanItsBytes(t *testing.T) {
	few := packetOf(media.Packet{})
	many := bytes.Repeat(few, 1<<17)
	for name, payload := range map[string][]byte{
		"packets of a source":     append([]byte{0, 0, 0, 0x80, 0x80, 8}, many...), // 1<<17 of them
		"packets of a transcoder": append([]byte{0, 0, 0x80, 0x80, 8}, many...),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if strings.HasSuffix(name, "source") {
				err = hearing(t, 1).take(payload)
			} else {
				_, _, err = answer(payload)
			}
			require.ErrorIs(t, err, errFrame)
		})
	}
	t.Run("streams of a source", func(t *testing.T) {
		all := `{"Info":{"Streams":[{}` + strings.Repeat(",{}", mostJSON/3) + `]}}`
		_, err := hearing(t, 0, frameOf(kindOpen, []byte(all)...)).hear(kindOpen)
		require.ErrorIs(t, err, errFrame)
	})
}

func TestAHostCannotGiveASourceTracksThatNobodyKnows(t *testing.T) {
	third := packetOf(media.Packet{Track: 2, Change: &media.Track{Type: media.Audio}})
	require.ErrorIs(t, hearing(t, 2).take(append([]byte{0, 0, 0, 1}, third...)), errFrame)
	require.ErrorIs(t, hearing(t, 2, jsonFrame(kindSeek, opened{})).seek(time.Second), errFrame, "nor take them away")
	_, err := hearing(t, 0, jsonFrame(kindOpen, opened{Info: media.SourceInfo{Still: true}})).hear(kindOpen)
	require.ErrorIs(t, err, errFrame, "a picture without one")
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
	for _, f := range []fault{
		{Text: long},
		{Typed: true, Kind: int(media.KindSourceInvalid), Op: long, Sentence: long},
		{Typed: true, Kind: int(media.KindSourceInvalid), Op: long, Reason: long, Text: long},
	} {
		require.Less(t, len(f.error().Error()), 4*mostLetter)
	}
}

func TestAPictureThatIsTooLargeIsNotKept(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Picture(media.Keyframe{Data: bytes.Repeat([]byte("x"), mostPicture)})
	require.Equal(t, media.KindSourcePoisoned, media.KindOf(err))
	p.preview.end(p.preview.host)
}

func TestAHostThatAsksAndDoesNotListenHoldsNobodyUp(t *testing.T) {
	here, there, err := socketPair()
	require.NoError(t, err)
	defer func() { _ = there.Close() }()
	asks := frameOf(kindBatch, 0x80, 0x80, 8, 0, 0, 0) // for 128 kB
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
	pool  *Pool
	times int
}

func (k *killing) Open(ctx context.Context, r media.SourceRequest) (media.Way, error) {
	way, err := k.text.Open(ctx, r)
	way.Found = func() string {
		if k.times--; k.times < 0 {
			return "a page"
		}
		for _, h := range k.pool.living() {
			_ = syscall.Kill(h.cmd.Process.Pid, syscall.SIGKILL)
			<-h.gone
		}
		return "a page"
	}
	return way, err
}

func TestAHostThatDiesWhileItAsksWhyNothingComesIsReplaced(t *testing.T) {
	p := newPool(t, nil)
	_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: &media.Conduct{}}, &killing{text: textOf(), pool: p, times: 1})
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err), err)
}

func TestHostsThatDoNotStartAreNoFaultOfTheSource(t *testing.T) {
	p, conduct := newPool(t, nil), &media.Conduct{}
	p.cfg.Command = []string{"/bin/true"} // the program was replaced
	open(t, p, textOf("a"), nil)          // has the one that was ready
	conduct.Died(media.Killing, true)
	_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, textOf("a"))
	require.Equal(t, media.KindSourceDropped, media.KindOf(err), err)
	require.ErrorContains(t, err, "start a media host")
	require.False(t, conduct.Died(media.Death, false), "it was not noted")
	_, err = p.Transcoders().With(t.Context(), p.cfg.Log, conduct).Video(media.Track{}, media.VideoOutput{})
	require.Equal(t, media.KindSourceDropped, media.KindOf(err), err)
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
			begin := time.Now()
			_, err = c.Transcode(media.Packet{Keyframe: true, Data: []byte(what)})
			require.ErrorIs(t, err, media.ErrStopped)
			c.Close()
			require.Less(t, time.Since(begin), 2*time.Second)
			select {
			case <-h.gone:
			case <-time.After(5 * time.Second):
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
	require.Same(t, h, hostOf(s))
	time.AfterFunc(50*time.Millisecond, func() { stop(media.ErrStalled) })
	_, err = s.ReadPacket()
	require.Equal(t, media.KindSourceStalled, media.KindOf(err))
	require.NoError(t, s.Close())
	<-h.gone
	require.Equal(t, wanted(0, 3000), read(t, neighbour, -1))
	require.False(t, good.Dying())
	require.Eventually(t, bad.Dying, time.Second, time.Millisecond, "what hangs is taken apart alone from now on")
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
	p.preview.end(p.preview.host)
}

func TestASourceWhoseHostsSomebodyKillsAgainAndAgainIsNotPoisoned(t *testing.T) {
	p, conduct := newPool(t, nil), &media.Conduct{}
	_, err := p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &killing{text: textOf(), pool: p, times: 100})
	require.Equal(t, media.KindSourceDropped, media.KindOf(err), "it is to be tried after a while: %v", err)
	_, err = p.Demux(t.Context(), media.SourceRequest{Conduct: conduct}, &killing{text: textOf(), pool: p})
	require.Equal(t, media.KindSourceInvalid, media.KindOf(err), "and then gets its answer: %v", err)
}
