package source_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/bluenviron/gortmplib/pkg/rawmessage"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/source"
)

// testTime bounds what a test waits for.
const testTime = 20 * time.Second

// accept hands each connection to serve until the test's end.
func accept(t testing.TB, l net.Listener, serve func(net.Conn)) string {
	t.Helper()
	var running sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(testTime))
			running.Go(func() {
				serve(conn)
				_ = conn.Close()
			})
		}
	})
	return l.Addr().String()
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// rtmpServer is one connection of a player's.
type rtmpServer struct {
	conn     net.Conn
	raw      *rawmessage.Reader
	out      *message.Writer
	tags     *rawmessage.Writer
	commands []*message.CommandAMF0 // that have come
}

// greet is a server up to the player's first command.
func greet(conn net.Conn) *rtmpServer {
	if _, _, err := handshake.DoServer(conn, false); err != nil {
		return nil
	}
	bc := bytecounter.NewReadWriter(conn)
	s := &rtmpServer{conn: conn, out: message.NewWriter(bc, bc.Writer, false), tags: rawmessage.NewWriter(bc, bc.Writer, false)}
	s.raw = rawmessage.NewReader(bc, bc.Reader, func(uint32) error { return nil })
	s.say(&message.SetWindowAckSize{Value: 2500000})
	if s.await("connect") == nil {
		return nil
	}
	return s
}

func (s *rtmpServer) say(m message.Message) { _ = s.out.Write(m) }

// await reads on to a command, nil when the player has left.
func (s *rtmpServer) await(name string) *message.CommandAMF0 {
	for {
		m, err := s.raw.Read()
		if err != nil {
			return nil
		}
		if message.Type(m.Type) != message.TypeCommandAMF0 {
			continue
		}
		data, err := amf0.Unmarshal(m.Body)
		if err != nil {
			return nil
		}
		c := &message.CommandAMF0{Name: data[0].(string), CommandID: int(data[1].(float64)), Arguments: data[2:], MessageStreamID: m.MessageStreamID}
		s.commands = append(s.commands, c)
		if c.Name == name {
			return c
		}
	}
}

// play says yes to all that a player asks, and returns what it asks to play.
func (s *rtmpServer) play() *message.CommandAMF0 {
	const stream = 7
	s.say(status("_result", "status", "NetConnection.Connect.Success", "ok", 1))
	c := s.await("createStream")
	if c == nil {
		return nil
	}
	s.say(&message.CommandAMF0{ChunkStreamID: 3, Name: "_result", CommandID: c.CommandID, Arguments: []any{nil, float64(stream)}})
	if c = s.await("play"); c == nil {
		return nil
	}
	s.say(status("onStatus", "status", "NetStream.Play.Start", "go", 0))
	return c
}

// tag sends a tag's body.
func (s *rtmpServer) tag(kind byte, at uint32, body ...byte) {
	_ = s.tags.Write(&rawmessage.Message{ChunkStreamID: 6, Type: kind, MessageStreamID: 1 << 24, Timestamp: time.Duration(at) * time.Millisecond, Body: body})
}

func status(name, level, code, words string, id int) *message.CommandAMF0 {
	return &message.CommandAMF0{ChunkStreamID: 3, Name: name, CommandID: id, Arguments: []any{nil, amf0.Object{
		{Key: "level", Value: level}, {Key: "code", Value: code}, {Key: "description", Value: words},
	}}}
}

const audio, video, script = 8, 9, 18

// avcC of 1920x1080, 25 fps, and an AudioSpecificConfig of 48 kHz stereo.
var (
	sps = []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00,
		0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20}
	avcc = bytes.Join([][]byte{{1, 0x42, 0xc0, 0x28, 0xff, 0xe1, 0, byte(len(sps))}, sps, {1, 0, 4, 0x68, 0xcb, 0x8c, 0xb2}}, nil)
	asc  = []byte{0x11, 0x90}
)

func (s *rtmpServer) configure(at uint32) {
	s.tag(video, at, append([]byte{0x17, 0, 0, 0, 0}, avcc...)...)
	s.tag(audio, at, append([]byte{0xaf, 0}, asc...)...)
}

func (s *rtmpServer) picture(at uint32, first byte, shift byte) {
	s.tag(video, at, first, 1, 0, 0, shift, 0, 0, 0, 2, 0x65, byte(at))
}

func (s *rtmpServer) sound(at uint32) { s.tag(audio, at, 0xaf, 1, 0x21, byte(at)) }

// rtmpSource is a server that plays.
func rtmpSource(t *testing.T, l net.Listener, serve func(*rtmpServer)) string {
	t.Helper()
	return accept(t, l, func(c net.Conn) {
		if s := greet(c); s != nil && s.play() != nil {
			serve(s)
			_, _ = io.Copy(io.Discard, c)
		}
	})
}

func gateOf(t *testing.T, c egress.Config) media.Gate {
	t.Helper()
	if len(c.Schemes) == 0 {
		c.Schemes = []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt"}
	}
	if c.Allow == nil {
		c.Allow = []string{"127.0.0.1"}
	}
	network, err := egress.New(c)
	require.NoError(t, err)
	return source.LiveGate(network)
}

func openLive(t *testing.T, g media.Gate, address string) (media.Way, error) {
	t.Helper()
	way, err := g.Open(t.Context(), media.SourceRequest{URL: media.Secret(address)})
	if err == nil {
		t.Cleanup(func() {
			if way.Source != nil {
				_ = way.Source.Close()
			} else {
				way.Close()
			}
		})
	}
	return way, err
}

func packets(t *testing.T, s media.Source, n int) (all []media.Packet) {
	t.Helper()
	for range n {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		all = append(all, p)
	}
	return all
}

func TestAnRTMPStreamOfH264AndAACIsPacketsMadeInGo(t *testing.T) {
	asked := make(chan []*message.CommandAMF0, 1)
	at := rtmpSource(t, listen(t), func(s *rtmpServer) {
		asked <- s.commands
		s.configure(0)
		s.picture(1000, 0x17, 80)
		s.sound(1010)
		s.picture(1040, 0x27, 0)
		s.say(status("onStatus", "status", "NetStream.Play.UnpublishNotify", "over", 0))
	})
	way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/inst/key?token=1")
	require.NoError(t, err)
	require.NotNil(t, way.Source)
	info := way.Source.Info()
	require.True(t, info.Live)
	require.Equal(t, time.Second, info.StartTime)
	v, a := info.Tracks[0], info.Tracks[1]
	require.Equal(t, media.Track{Type: media.Video, Codec: media.H264, Profile: "Constrained Baseline", Extradata: avcc,
		Width: 1920, Height: 1080, FPS: v.FPS, PixelFormat: "yuv420p", Display: media.Display{Pixels: v.Pixels}}, v)
	require.Equal(t, media.Track{Type: media.Audio, Codec: media.AAC, Profile: "LC", Extradata: asc, SampleRate: 48000, Channels: 2}, a)
	got := packets(t, way.Source, 3)
	require.Equal(t, []any{0, 1080 * time.Millisecond, time.Second, true}, []any{got[0].Track, got[0].PTS, got[0].DTS, got[0].Keyframe})
	require.Equal(t, []any{1, 1010 * time.Millisecond, time.Second * 1024 / 48000}, []any{got[1].Track, got[1].PTS, got[1].Duration})
	require.Equal(t, []any{0, false, 1040 * time.Millisecond}, []any{got[2].Track, got[2].Keyframe, got[2].PTS})
	require.Equal(t, []byte{0, 0, 0, 2, 0x65, byte(1000 & 0xff)}, got[0].Data)
	_, err = way.Source.ReadPacket()
	require.ErrorIs(t, err, io.EOF)
	require.Error(t, way.Source.Seek(0))

	commands := <-asked
	object := commands[0].Arguments[0].(amf0.Object)
	app, _ := object.GetString("app")
	url, _ := object.GetString("tcUrl")
	require.Equal(t, []string{"live/inst", "rtmp://" + at + "/live/inst"}, []string{app, url})
	play := commands[len(commands)-1]
	require.Equal(t, "key?token=1", play.Arguments[1])
	require.Equal(t, -1000.0, play.Arguments[2])
}

func TestWhatElseAnRTMPStreamHoldsIsForLibav(t *testing.T) {
	hevc := append([]byte{0x90}, "hvc1"...)
	for name, send := range map[string]func(*rtmpServer){
		"Enhanced RTMP": func(s *rtmpServer) { s.tag(video, 5, append(hevc, 1, 2)...) },
		"MP3":           func(s *rtmpServer) { s.tag(audio, 5, 0x2f, 1, 2, 3, 4, 5) },
	} {
		t.Run(name, func(t *testing.T) {
			at := rtmpSource(t, listen(t), func(s *rtmpServer) {
				send(s)
				s.say(status("onStatus", "status", "NetStream.Play.UnpublishNotify", "over", 0))
			})
			way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
			require.NoError(t, err)
			require.Nil(t, way.Source)
			text, err := io.ReadAll(way.Bytes)
			require.NoError(t, err)
			require.Equal(t, "FLV\x01", string(text[:4]))
			require.NoError(t, way.Refusal())
		})
	}
}

func TestAnRTMPStreamsClockGoesOnPastItsEnd(t *testing.T) {
	const end = 1<<32 - 20
	at := rtmpSource(t, listen(t), func(s *rtmpServer) {
		s.configure(0)
		s.picture(end, 0x17, 0)
		s.sound(end - 5)
		s.sound(10)
		s.picture(20, 0x27, 0)
	})
	way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
	require.NoError(t, err)
	got := packets(t, way.Source, 4)
	require.Equal(t, []time.Duration{-5 * time.Millisecond, 30 * time.Millisecond, 40 * time.Millisecond},
		[]time.Duration{got[1].DTS - got[0].DTS, got[2].DTS - got[0].DTS, got[3].DTS - got[0].DTS})
}

func TestANewConfigurationOfAnRTMPStreamComesWithItsPacket(t *testing.T) {
	other := bytes.Clone(avcc)
	other[len(other)-1] ^= 1
	at := rtmpSource(t, listen(t), func(s *rtmpServer) {
		s.configure(0)
		s.picture(0, 0x17, 0)
		s.configure(40) // again
		s.picture(40, 0x17, 0)
		s.tag(video, 80, append([]byte{0x17, 0, 0, 0, 0}, other...)...)
		s.sound(80)
		s.picture(80, 0x17, 0)
		s.tag(video, 120, append([]byte{0x90}, "av01"...)...)
	})
	way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
	require.NoError(t, err)
	got := packets(t, way.Source, 4)
	require.Nil(t, got[1].Extradata)
	require.Nil(t, got[2].Extradata, "it is the sound")
	require.Equal(t, other, got[3].Extradata)
	_, err = way.Source.ReadPacket()
	require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "another codec: it is opened anew")
}

func metadata(codecs ...amf0.ObjectEntry) []byte {
	b, err := amf0.Data{"onMetaData", amf0.ECMAArray(codecs)}.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

func TestTracksOfAnRTMPStreamThatComeLaterAreToldOf(t *testing.T) {
	at := rtmpSource(t, listen(t), func(s *rtmpServer) {
		s.tag(script, 0, metadata(amf0.ObjectEntry{Key: "audiocodecid", Value: 10.0}, amf0.ObjectEntry{Key: "videocodecid", Value: 0.0})...)
		s.tag(audio, 0, append([]byte{0xaf, 0}, asc...)...)
		for i := range uint32(60) {
			s.sound(20 * i)
			if i < 40 {
				<-time.After(20 * time.Millisecond) // a live stream's own pace
			}
		}
		s.configure(2000)
		s.picture(2000, 0x17, 0)
	})
	way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
	require.NoError(t, err)
	require.Len(t, way.Source.Info().Tracks, 1)
	packets(t, way.Source, 60)
	_, err = way.Source.ReadPacket()
	require.ErrorIs(t, err, media.ErrLateVideo)
	require.Equal(t, media.Video, way.Source.Info().Tracks[0].Type)
	require.Equal(t, 0, packets(t, way.Source, 1)[0].Track)

	at = rtmpSource(t, listen(t), func(s *rtmpServer) {
		s.tag(script, 0, metadata(amf0.ObjectEntry{Key: "videocodecid", Value: 7.0}, amf0.ObjectEntry{Key: "framerate", Value: 12.5})...)
		s.tag(video, 0, append([]byte{0x17, 0, 0, 0, 0}, avcc...)...)
		s.picture(0, 0x17, 0)
		s.tag(audio, 0, append([]byte{0xaf, 0}, asc...)...)
		s.sound(20)
	})
	way, err = openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
	require.NoError(t, err)
	require.Len(t, way.Source.Info().Tracks, 1)
	require.Equal(t, 12.5, way.Source.Info().Tracks[0].FPS)
	got := packets(t, way.Source, 2)
	require.Equal(t, 1, got[1].Track)
	require.Equal(t, media.AAC, got[1].Change.Codec)
}

func TestAnRTMPServersRefusalHasItsKindAndItsWords(t *testing.T) {
	for _, c := range []struct {
		name    string
		command *message.CommandAMF0
		kind    media.Kind
		words   string
	}{
		{"no stream", status("onStatus", "error", "NetStream.Play.StreamNotFound", "no stream canary here", 0), media.KindSourceNotFound, "no stream [redacted] here"},
		{"rejected", status("_error", "error", "NetConnection.Connect.Rejected", "authentication failed for us%er", 1), media.KindSourceUnauthorized, "authentication failed for [redacted]"},
		{"no application", status("_error", "error", "NetConnection.Connect.InvalidApp", "", 1), media.KindSourceNotFound, "InvalidApp"},
		{"forbidden", status("onStatus", "error", "NetStream.Play.Failed", "permission\r\ndenied for token=s3cret", 0), media.KindSourceUnauthorized, "permission  denied for [redacted]=[redacted]"},
		{"going down", status("_error", "error", "NetConnection.Connect.AppShutdown", "", 1), media.KindSourceUnavailable, "AppShutdown"},
		{"failed", status("onStatus", "error", "NetStream.Play.Failed", strings.Repeat("x", 5000), 0), media.KindSourceNotFound, "xxx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := accept(t, listen(t), func(conn net.Conn) {
				if s := greet(conn); s != nil {
					s.say(c.command)
					_, _ = io.Copy(io.Discard, conn)
				}
			})
			_, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://us%25er:pa55@"+at+"/live/canary?token=s3cret")
			require.Equal(t, c.kind, media.KindOf(err), "%v", err)
			require.Contains(t, err.Error(), c.words)
			require.NotContains(t, err.Error(), "canary")
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, err.Error(), "pa55")
			require.Less(t, len(err.Error()), 500)
		})
	}
}

func TestAnRTMPServerMayAskForALogin(t *testing.T) {
	for mode, asks := range map[string][]string{
		"adobe": {"[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : ", "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=me&salt=ab&challenge=cd&opaque=ef"},
		"llnw":  {"code=403 need auth; authmod=llnw", "authmod=llnw ?reason=needauth&nonce=123"},
	} {
		t.Run(mode, func(t *testing.T) {
			var apps []string
			at := accept(t, listen(t), func(conn net.Conn) {
				s := greet(conn)
				if s == nil {
					return
				}
				app, _ := s.commands[0].Arguments[0].(amf0.Object).GetString("app")
				apps = append(apps, app)
				if len(apps) <= len(asks) {
					s.say(status("_error", "error", "NetConnection.Connect.Rejected", asks[len(apps)-1], 1))
				} else if s.play() != nil {
					s.configure(0)
					s.picture(0, 0x17, 0)
				}
				_, _ = io.Copy(io.Discard, conn)
			})
			way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://me:s3cret@"+at+"/live/key")
			require.NoError(t, err)
			packets(t, way.Source, 1)
			require.Len(t, apps, 3)
			require.Equal(t, []string{"live", "live?authmod=" + mode + "&user=me"}, apps[:2])
			require.Contains(t, apps[2], "response=")
			require.NotContains(t, apps[2], "s3cret")
		})
	}
	at := accept(t, listen(t), func(conn net.Conn) {
		if s := greet(conn); s != nil {
			s.say(status("_error", "error", "NetConnection.Connect.Rejected", "code=403 need auth; authmod=adobe", 1))
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	_, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
	require.Equal(t, media.KindSourceUnauthorized, media.KindOf(err), "there is nobody to log in: %v", err)
}

func TestRTMPSourcesThatFailAreUnavailable(t *testing.T) {
	gone := listen(t)
	_ = gone.Close()
	mute := accept(t, listen(t), func(net.Conn) {})
	web := accept(t, listen(t), func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 canary\r\n\r\n") })
	broken := rtmpSource(t, listen(t), func(s *rtmpServer) { _ = s.conn.Close() })
	g := gateOf(t, egress.Config{})
	for _, place := range []string{gone.Addr().String(), mute, web, broken} {
		for _, scheme := range []string{"rtmp", "rtmps"} {
			_, err := openLive(t, g, scheme+"://"+place+"/a/canary")
			require.Equal(t, media.KindSourceUnavailable, media.KindOf(err), "%v", err)
			require.NotContains(t, err.Error(), "canary")
		}
	}
}

func TestACertificateThatDoesNotVerifyHasItsOwnKind(t *testing.T) {
	s := httptest.NewTLSServer(nil)
	certificate := s.TLS.Certificates[0] // valid for example.com
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	s.Close()
	play := func(s *rtmpServer) { s.configure(0); s.picture(0, 0x17, 0) }
	_, port, _ := net.SplitHostPort(rtmpSource(t, tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{certificate}}), play))
	for _, c := range []struct {
		host string
		pool *x509.CertPool
		kind media.Kind
	}{{"example.com", roots, 0}, {"example.com", x509.NewCertPool(), media.KindSourceTLS}, {"example.net", roots, media.KindSourceTLS}} {
		way, err := openLive(t, gateOf(t, egress.Config{TLSRoots: c.pool, Resolver: local{}}), "rtmps://"+c.host+":"+port+"/live/key")
		if c.kind == 0 {
			require.NoError(t, err)
			packets(t, way.Source, 1)
			continue
		}
		require.Equal(t, c.kind, media.KindOf(err), "%v", err)
	}
}

func TestAnRTMPSourceEndsWithItsContext(t *testing.T) {
	stopped := errors.New("stopped")
	for name, serve := range map[string]func(net.Conn){
		"in the handshake": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"before it plays":  func(c net.Conn) { greet(c); _, _ = io.Copy(io.Discard, c) },
		"in the stream": func(c net.Conn) {
			if s := greet(c); s != nil && s.play() != nil {
				s.configure(0)
				s.picture(0, 0x17, 0)
				_, _ = io.Copy(io.Discard, c)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			left := make(chan struct{})
			at := accept(t, listen(t), func(c net.Conn) { serve(c); close(left) })
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan time.Time, 1)
			time.AfterFunc(300*time.Millisecond, func() { ended <- time.Now(); cancel(stopped) })
			way, err := gateOf(t, egress.Config{}).Open(ctx, media.SourceRequest{URL: media.Secret("rtmp://" + at + "/live/key")})
			for err == nil {
				_, err = way.Source.ReadPacket()
			}
			require.Less(t, time.Since(<-ended), promise+mediatest.Hops*noise())
			require.ErrorIs(t, err, stopped)
			<-left
		})
	}
}

func TestAnAggregateMessageIsTakenApart(t *testing.T) {
	at := rtmpSource(t, listen(t), func(s *rtmpServer) {
		s.configure(0)
		part := func(kind byte, at byte, body ...byte) []byte {
			b := append([]byte{kind, 0, 0, byte(len(body)), 0, 0, at, 0, 0, 0, 0}, body...)
			return append(b, 0, 0, 0, byte(11+len(body)))
		}
		s.tag(22, 1000, append(part(video, 5, 0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65), part(audio, 9, 0xaf, 1, 0x21)...)...)
	})
	way, err := openLive(t, gateOf(t, egress.Config{}), "rtmp://"+at+"/live/key")
	require.NoError(t, err)
	got := packets(t, way.Source, 2)
	require.Equal(t, []time.Duration{1000 * time.Millisecond, 1004 * time.Millisecond}, []time.Duration{got[0].DTS, got[1].DTS})
}
