package source_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// camera is an RTSP server with one stream.
type camera struct {
	server  *gortsplib.Server
	stream  *gortsplib.ServerStream
	playing chan struct{}
}

func (c *camera) OnDescribe(*gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *camera) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, c.stream, nil
}

func (c *camera) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	select {
	case c.playing <- struct{}{}:
	default:
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// startCamera serves formats, one for each medium, and sends what send returns to
// who plays, of each in turn, again and again.
func startCamera(t *testing.T, medias []*description.Media, send func(i int) []*rtp.Packet) string {
	t.Helper()
	return "rtsp://" + startCameraWith(t, nil, medias, send) + "/stream"
}

// startCameraWith is startCamera over TLS, where there is some to be.
func startCameraWith(t *testing.T, over *tls.Config, medias []*description.Media, send func(i int) []*rtp.Packet) (addr string) {
	t.Helper()
	l := listen(t)
	c := &camera{playing: make(chan struct{}, 1)}
	c.server = &gortsplib.Server{Handler: c, TLSConfig: over, RTSPAddress: l.Addr().String(), Listen: func(string, string) (net.Listener, error) { return l, nil }}
	require.NoError(t, c.server.Start())
	c.stream = &gortsplib.ServerStream{Server: c.server, Desc: &description.Session{Medias: medias}}
	require.NoError(t, c.stream.Initialize())
	enough := make(chan struct{})
	ended := make(chan struct{})
	t.Cleanup(func() { close(enough); <-ended; c.stream.Close(); c.server.Close() })
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-enough:
				return
			case <-tick.C:
			}
			for m, p := range send(i) {
				if p != nil {
					_ = c.stream.WritePacketRTP(medias[m], p)
				}
			}
		}
	}()
	return l.Addr().String()
}

func rtpOf(kind uint8, i int, ticks uint32, payload ...byte) *rtp.Packet {
	return &rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: kind, SequenceNumber: uint16(i), Timestamp: uint32(i) * ticks, Marker: true, SSRC: 7}, Payload: payload}
}

func TestAnRTSPStreamIsPacketsMadeInGo(t *testing.T) {
	picture := &format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: sps, PPS: []byte{0x68, 0xcb, 0x8c, 0xb2}}
	mpeg4 := &format.MPEG4Audio{PayloadTyp: 97, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3,
		Config: &mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2}}
	for name, c := range map[string]struct {
		video, audio format.Format
		send         func(i int) []*rtp.Packet
		tracks       []media.Codec
	}{
		"H.264 and AAC": {picture, mpeg4, func(i int) []*rtp.Packet {
			return []*rtp.Packet{rtpOf(96, i, 1800, 0x65, 0x88, 0x84, byte(i)), rtpOf(97, i, 960, 0, 16, 0, 2<<3, 0x21, byte(i))}
		}, []media.Codec{media.H264, media.AAC}},
		"G.711 alone": {nil, &format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}, func(i int) []*rtp.Packet {
			return []*rtp.Packet{rtpOf(8, i, 160, make([]byte, 160)...)}
		}, []media.Codec{"pcm_alaw"}},
		"Opus alone": {nil, &format.Opus{PayloadTyp: 96, ChannelCount: 2}, func(i int) []*rtp.Packet {
			return []*rtp.Packet{rtpOf(96, i, 960, 0xfc, 1, 2)}
		}, []media.Codec{"opus"}},
		"VP8 alone": {&format.VP8{PayloadTyp: 96}, nil, func(i int) []*rtp.Packet {
			return []*rtp.Packet{rtpOf(96, i, 1800, 0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 9)}
		}, []media.Codec{"vp8"}},
	} {
		t.Run(name, func(t *testing.T) {
			var medias []*description.Media
			if c.video != nil {
				medias = append(medias, &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{c.video}})
			}
			if c.audio != nil {
				medias = append(medias, &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{c.audio}})
			}
			way, err := openLive(t, gateOf(t, egress.Config{}), startCamera(t, medias, c.send))
			require.NoError(t, err)
			info := way.Source.Info()
			require.True(t, info.Live)
			var last [2]time.Duration
			var count [2]int
			for _, p := range packets(t, way.Source, 40) {
				if count[p.Track]++; count[p.Track] > 1 {
					require.InDelta(t, 20, (p.PTS - last[p.Track]).Milliseconds(), 1)
				}
				last[p.Track] = p.PTS
				require.False(t, p.NoDTS)
				require.True(t, p.Keyframe)
			}
			for i, codec := range c.tracks {
				require.Equal(t, codec, info.Tracks[i].Codec)
				require.Greater(t, count[i], 10)
			}
			if v := info.Tracks[0]; v.Codec == media.H264 {
				require.Equal(t, []any{1920, 1080, "yuv420p", false}, []any{v.Width, v.Height, v.PixelFormat, v.Interlaced})
				require.Equal(t, append([]byte{0, 0, 0, 1}, sps...), v.Extradata[:4+len(sps)])
				require.Equal(t, media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Extradata: asc, SampleRate: 48000, Channels: 2}, info.Tracks[1])
			}
		})
	}
}

func TestAnRTSPSourceOverTLSIsPlayedWhereItsCertificateVerifies(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	certificate, roots := s.TLS.Certificates[0], x509.NewCertPool() // valid for example.com
	roots.AddCert(s.Certificate())
	s.Close()
	sound := []*description.Media{{Type: description.MediaTypeAudio, Formats: []format.Format{&format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}}}}
	_, port, _ := net.SplitHostPort(startCameraWith(t, &tls.Config{Certificates: []tls.Certificate{certificate}}, sound, func(i int) []*rtp.Packet {
		return []*rtp.Packet{rtpOf(8, i, 160, make([]byte, 160)...)}
	}))
	for _, c := range []struct {
		host string
		pool *x509.CertPool
		kind media.Kind
	}{{"example.com", roots, 0}, {"example.com", x509.NewCertPool(), media.KindSourceTLS}, {"example.net", roots, media.KindSourceTLS}} {
		way, err := openLive(t, gateOf(t, egress.Config{TLSRoots: c.pool, Resolver: local{}}), "rtsps://u:canary@"+c.host+":"+port+"/stream")
		if c.kind == 0 {
			require.NoError(t, err)
			packets(t, way.Source, 5)
			continue
		}
		require.Equal(t, c.kind, media.KindOf(err), "%v", err)
		require.NotContains(t, err.Error(), "canary")
	}
}

func TestAnRTSPSourcesSoundIsChosenByItsNumber(t *testing.T) {
	of := func(kind uint8, law bool) *description.Media {
		return &description.Media{Type: description.MediaTypeAudio, Formats: []format.Format{&format.G711{PayloadTyp: kind, MULaw: law, SampleRate: 8000, ChannelCount: 1}}}
	}
	address := media.Secret(startCamera(t, []*description.Media{of(8, false), of(0, true)}, func(i int) []*rtp.Packet {
		return []*rtp.Packet{rtpOf(8, i, 160, make([]byte, 160)...), rtpOf(0, i, 160, make([]byte, 160)...)}
	}))
	way, err := gateOf(t, egress.Config{}).Open(t.Context(), media.SourceRequest{URL: address, Choice: media.TrackChoice{Audio: "1"}})
	require.NoError(t, err)
	defer way.Source.Close()
	require.Equal(t, media.Codec("pcm_mulaw"), way.Source.Info().Tracks[0].Codec)
	require.Equal(t, []bool{false, true}, []bool{way.Source.Info().Streams[0].Chosen, way.Source.Info().Streams[1].Chosen})
	for _, choice := range []media.TrackChoice{{Audio: "2"}, {Audio: "de"}, {Program: 3}} {
		_, err = gateOf(t, egress.Config{}).Open(t.Context(), media.SourceRequest{URL: address, Choice: choice})
		require.Equal(t, media.KindSourceNoTrack, media.KindOf(err), "%v", err)
	}
}

// rtspAnswers answers every request with what reply says.
func rtspAnswers(t *testing.T, reply func(method string) string) string {
	t.Helper()
	return accept(t, listen(t), func(c net.Conn) {
		from := bufio.NewReader(c)
		for {
			r := base.Request{}
			if r.Unmarshal(from) != nil {
				return
			}
			if _, err := io.WriteString(c, strings.ReplaceAll(reply(string(r.Method)), "CSEQ", r.Header["CSeq"][0])); err != nil {
				return
			}
		}
	})
}

func TestAnRTSPRefusalHasItsKind(t *testing.T) {
	for status, kind := range map[string]media.Kind{
		"401 Unauthorized":          media.KindSourceUnauthorized,
		"403 Forbidden":             media.KindSourceUnauthorized,
		"404 Not Found":             media.KindSourceNotFound,
		"410 Gone":                  media.KindSourceGone,
		"461 Unsupported Transport": media.KindSourceUnsupported,
		"302 Found":                 media.KindSourceUnsupported,
		"503 Service Unavailable":   media.KindSourceUnavailable,
	} {
		t.Run(status, func(t *testing.T) {
			at := rtspAnswers(t, func(string) string {
				return "RTSP/1.0 " + status + "\r\nCSeq: CSEQ\r\nLocation: rtsp://127.0.0.1:1/canary\r\n\r\n"
			})
			_, err := openLive(t, gateOf(t, egress.Config{}), "rtsp://u:canary@"+at+"/canary")
			require.Equal(t, kind, media.KindOf(err), "%v", err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestWhatIsNoRTSPIsUnavailable(t *testing.T) {
	for name, text := range map[string]string{
		"HTTP":            "HTTP/1.1 200 OK\r\n\r\n",
		"nothing":         "",
		"an endless head": strings.Repeat("x", 1<<20),
		"an endless body": "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\nContent-Length: 999999999\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			at := accept(t, listen(t), func(c net.Conn) {
				_, _ = c.Read(make([]byte, 1))
				_, _ = io.WriteString(c, text)
			})
			_, err := openLive(t, gateOf(t, egress.Config{}), "rtsp://u:canary@"+at+"/canary")
			require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestAnRTSPSourceEndsWithItsContext(t *testing.T) {
	stopped := errors.New("stopped")
	sound := &format.G711{PayloadTyp: 8, SampleRate: 8000, ChannelCount: 1}
	playing := startCamera(t, []*description.Media{{Type: description.MediaTypeAudio, Formats: []format.Format{sound}}}, func(i int) []*rtp.Packet {
		return []*rtp.Packet{rtpOf(8, i, 160, make([]byte, 160)...)}
	})
	mute := "rtsp://" + accept(t, listen(t), func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }) + "/a"
	for name, address := range map[string]string{"in the stream": playing, "before it": mute} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan time.Time, 1)
			time.AfterFunc(400*time.Millisecond, func() { ended <- time.Now(); cancel(stopped) })
			way, err := gateOf(t, egress.Config{}).Open(ctx, media.SourceRequest{URL: media.Secret(address)})
			for err == nil {
				_, err = way.Source.ReadPacket()
			}
			require.Less(t, time.Since(<-ended), promise+mediatest.Hops*noise())
			require.ErrorIs(t, err, stopped)
			if way.Source != nil {
				require.NoError(t, way.Source.Close())
			}
		})
	}
}

func TestAnRTSPSourceWithoutATrackThatCanBeReadSaysWhatItHolds(t *testing.T) {
	for line, holds := range map[string]string{
		"m=application 0 RTP/AVP 98\r\na=rtpmap:98 vnd.onvif.metadata/90000\r\n":                                 "application",
		"m=video 0 RTP/AVP 97\r\na=rtpmap:97 H263-1998/90000\r\n":                                                "video (h263-1998)",
		"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 speex/16000\r\n":                                                    "audio (speex)",
		"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 VORBIS/44100/2\r\na=fmtp:97 configuration=AAAA\r\n":                 "audio (vorbis)",
		"m=video 0 RTP/AVP 97\r\na=rtpmap:97 X-QT/90000\r\nm=audio 0 RTP/AVP 98\r\na=rtpmap:98 G726-32/8000\r\n": "video (x-qt), audio (g726",
	} {
		at := rtspAnswers(t, func(method string) string {
			if method != "DESCRIBE" {
				return "RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\nPublic: DESCRIBE\r\n\r\n"
			}
			body := "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n" + line
			return fmt.Sprintf("RTSP/1.0 200 OK\r\nCSeq: CSEQ\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		})
		_, err := openLive(t, gateOf(t, egress.Config{}), "rtsp://"+at+"/a")
		require.Equal(t, media.KindSourceNoTrack, media.KindOf(err), "%v", err)
		require.ErrorContains(t, err, holds)
	}
}

func TestATransportStreamOverRTSPIsBytesForLibav(t *testing.T) {
	ts := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.MPEGTS{}}}
	way, err := openLive(t, gateOf(t, egress.Config{}), startCamera(t, []*description.Media{ts}, func(i int) []*rtp.Packet {
		payload := bytes.Repeat([]byte{byte(i)}, 2*188)
		payload[0], payload[188] = 'G', 'G'
		return []*rtp.Packet{rtpOf(33, i, 3600, payload...)}
	}))
	require.NoError(t, err)
	require.Nil(t, way.Source)
	require.False(t, way.Bytes.Seekable())
	got := make([]byte, 20*188)
	_, err = io.ReadFull(way.Bytes, got)
	require.NoError(t, err)
	for at := 0; at < len(got); at += 188 {
		require.EqualValues(t, 'G', got[at])
		require.Equal(t, got[1]+byte(at/376), got[at+1], "none is lost")
	}
	require.NoError(t, way.Refusal())
}

// panicking is a connection whose bytes are too much for who reads them.
type panicking struct{ net.Conn }

func (panicking) Read([]byte) (int, error) { panic("canary") }

type brokenNetwork struct{ source.Network }

func (brokenNetwork) Dial(ctx context.Context, _ media.SourceRequest) (net.Conn, error) {
	ours, its := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, its) }()
	context.AfterFunc(ctx, func() { _ = its.Close() })
	return panicking{ours}, nil
}

func TestAPanicOverWhatAnRTSPServerSaysIsAnError(t *testing.T) {
	_, err := openLive(t, source.LiveGate(brokenNetwork{}), "rtsp://a.example/x")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "canary")
}
