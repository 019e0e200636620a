package libav_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/libav"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// live is a clip as a live source sends it.
func live(t *testing.T) string {
	t.Helper()
	return mediatest.Clip(t, mediatest.Spec{BFrames: 0, Container: "flv"})
}

// openSoon opens again and again as long as nobody answers.
func openSoon(t *testing.T, address string) media.Source {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		s, err := openURL(t, address)
		if err == nil {
			return s
		}
		if media.KindOf(err) != media.KindSourceUnavailable {
			require.NoError(t, err)
		}
		select {
		case <-ctx.Done():
			require.NoError(t, errors.Join(ctx.Err(), err))
		case <-retry.C:
		}
	}
}

// requireLive reads three seconds of a live source.
func requireLive(t *testing.T, s media.Source) {
	t.Helper()
	info := s.Info()
	require.True(t, info.Live)
	require.Len(t, info.Tracks, 2)
	require.NotEmpty(t, info.Tracks[0].Extradata)
	var first, last [2]time.Duration
	var count [2]int
	for last[0]-first[0] < 3*time.Second {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		if count[p.Track]++; count[p.Track] == 1 {
			first[p.Track] = p.PTS
		}
		last[p.Track] = p.PTS
	}
	require.Greater(t, count[0], 60)
	require.Greater(t, count[1], 100)
	require.Error(t, s.Seek(0))
}

func TestRTSPPlaysThroughTheGate(t *testing.T) {
	t.Parallel()
	s, err := openURL(t, mediatest.StartRTSP(t, "", "").Publish(t, live(t), "a/b"))
	require.NoError(t, err)
	requireLive(t, s)
}

func TestRTSPWithAPassword(t *testing.T) {
	t.Parallel()
	server := mediatest.StartRTSP(t, "us er", "pa:ss@wörd")
	address := server.Publish(t, live(t), "a")
	_, rest, _ := strings.Cut(address, "://")
	s, err := openURL(t, "rtsp://us%20er:pa%3Ass%40w%C3%B6rd@"+rest)
	require.NoError(t, err)
	requireLive(t, s)
	for _, user := range []string{"", "us%20er:canary@"} {
		_, err = openURL(t, "rtsp://"+user+rest)
		require.Equal(t, media.KindSourceUnauthorized, media.KindOf(err), "%v", err)
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestRTSPThatIsNotThere(t *testing.T) {
	server := mediatest.StartRTSP(t, "", "")
	_, err := openURL(t, "rtsp://"+server.Addr+"/canary")
	require.Equal(t, media.KindSourceNotFound, media.KindOf(err), "%v", err)
	require.NotContains(t, err.Error(), "canary")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = openURL(t, "rtsp://"+l.Addr().String()+"/canary")
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
}

func TestSRTPlaysThroughTheGate(t *testing.T) {
	t.Parallel()
	requireLive(t, openSoon(t, mediatest.ServeSRT(t, live(t), "")+"?streamid=#!::r=a,m=request"))
}

func TestSRTWithAPassphrase(t *testing.T) {
	t.Parallel()
	address := mediatest.ServeSRT(t, live(t), "passphrase=0123456789abc")
	requireLive(t, openSoon(t, address+"?passphrase=0123456789abc&mode=caller"))
}

func TestSRTWithAnotherPassphraseIsRefused(t *testing.T) {
	address := mediatest.ServeSRT(t, live(t), "passphrase=0123456789abc")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := openURL(t, address+"?passphrase=canarycanary")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
		if media.KindOf(err) == media.KindSourceUnauthorized {
			return
		}
		require.NoError(t, ctx.Err(), "%v", err) // it does not listen yet
	}
}

func TestSRTThatIsNotThereIsUnavailable(t *testing.T) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	require.NoError(t, c.Close())
	begin := time.Now()
	_, err = openURL(t, "srt://"+c.LocalAddr().String())
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
	t.Logf("took %v: %v", time.Since(begin), err)
}

// silence is a source that takes what comes and never answers.
func silence(t *testing.T, scheme string) string {
	t.Helper()
	if scheme == "srt" {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c.LocalAddr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel answers
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// promptly is how long a call may last after its context's end: 200 ms as
// promised, and room for a noisy machine.
const promptly = time.Second

func TestAnOpenThatHangsEndsWithItsContextAndItsTime(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"rtmp", "rtmps", "rtsp", "rtsps", "srt"} {
		t.Run(scheme, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			address := media.Secret(scheme + "://" + silence(t, scheme) + "/a/b.ts")
			if scheme == "srt" {
				address = media.Secret(strings.TrimSuffix(address.Reveal(), "/a/b.ts"))
			}
			begin := time.Now()
			_, err := open(t, media.SourceRequest{URL: address, ProbeTimeout: 400 * time.Millisecond})
			require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
			require.Less(t, time.Since(begin), 400*time.Millisecond+promptly+mediatest.Hops*noise())

			g, err := egress.New(egress.Config{Schemes: everyScheme, Allow: []string{"127.0.0.0/8"}})
			require.NoError(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			stopped := errors.New("stopped")
			noise = mediatest.WatchNoise(t)
			ended := make(chan time.Time, 1)
			time.AfterFunc(300*time.Millisecond, func() { ended <- time.Now(); cancel(stopped) })
			_, err = (&source.Opener{Network: g, Demuxer: libav.NewOpener(libav.Config{Log: slog.New(slog.DiscardHandler)})}).Open(ctx, media.SourceRequest{URL: address})
			require.ErrorIs(t, err, stopped)
			took := time.Since(<-ended)
			t.Logf("returned %v after the end", took)
			require.Less(t, took, promptly+mediatest.Hops*noise())
		})
	}
}

func TestAStopEndsALiveSourceAtOnce(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"rtsp": mediatest.StartRTSP(t, "", "").Publish(t, live(t), "a"),
		"srt":  mediatest.ServeSRT(t, live(t), ""),
	} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			s := openSoon(t, address)
			_, err := s.ReadPacket()
			require.NoError(t, err)
			begin := time.Now()
			s.Close()
			t.Logf("closed in %v", time.Since(begin))
			require.Less(t, time.Since(begin), promptly+mediatest.Hops*noise())
		})
	}
}
