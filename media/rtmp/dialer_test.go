package rtmp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// dripping answers one byte now and then, for ever.
func dripping(conn net.Conn) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := conn.Write([]byte{3}); err != nil {
			return
		}
	}
}

// silent reads and never answers.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// stuckAt plays the command phase and falls silent at a command.
func stuckAt(name string) func(net.Conn) {
	return func(conn net.Conn) {
		r, err := enter(conn)
		if err != nil {
			return
		}
		if name == "publish" {
			c, err := r.until("connect")
			if err != nil || r.say("_result", c.CommandID, nil, nil) != nil {
				return
			}
			if c, err = r.until("createStream"); err != nil || r.say("_result", c.CommandID, nil, 1.0) != nil {
				return
			}
		}
		silent(conn)
	}
}

func hanging(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestDialEndsWithItsContext(t *testing.T) {
	for name, c := range map[string]struct {
		dial   func(context.Context, string, string) (net.Conn, error)
		handle func(net.Conn)
	}{
		"when the host does not answer":             {hanging, silent},
		"when the room accepts and says nothing":    {nil, silent},
		"when the room drips":                       {nil, dripping},
		"when the room is silent after connect":     {nil, stuckAt("connect")},
		"when the room is silent after the publish": {nil, stuckAt("publish")},
	} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			reached := make(chan struct{}, 1)
			addr := serve(t, func(conn net.Conn) {
				reached <- struct{}{}
				c.handle(conn)
			})
			ctx, cancel := context.WithCancelCause(context.Background())
			ended := make(chan time.Time, 1)
			go func() {
				if c.dial == nil {
					<-reached
				}
				ended <- time.Now()
				cancel(media.ErrStopped)
			}()
			_, err := (&Dialer{DialContext: c.dial}).Dial(ctx, addressOf(addr), testTracks())
			require.ErrorIs(t, err, media.ErrStopped)
			require.Less(t, time.Since(<-ended), promise+mediatest.Hops*noise())
			requireNoSecret(t, err)
		})
	}
}

func TestDialHasATimeLimitOfItsOwn(t *testing.T) {
	d := &Dialer{Timeout: 50 * time.Millisecond}
	_, err := d.Dial(context.Background(), addressOf(serve(t, silent)), testTracks())
	require.Equal(t, media.KindRoomUnavailable, media.KindOf(err))
	require.ErrorIs(t, err, errTimeout)
}

func TestADeadlineOfTheCallerIsAnUnavailableRoom(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := (&Dialer{}).Dial(ctx, addressOf(serve(t, silent)), testTracks())
	require.Equal(t, media.KindRoomUnavailable, media.KindOf(err))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func requireNoSecret(t *testing.T, err error) {
	t.Helper()
	for i := 0; i+minSecret <= len(testSig); i++ {
		require.NotContains(t, err.Error(), testSig[i:i+minSecret])
	}
	require.NotContains(t, err.Error(), "usersig=")
}

// refusing answers a command as it says and closes.
func refusing(at string, answer func(*room, *message.CommandAMF0) error) func(net.Conn) {
	return func(conn net.Conn) {
		r, err := enter(conn)
		if err != nil {
			return
		}
		for _, step := range []struct {
			name   string
			result any
		}{{"connect", nil}, {"createStream", 1.0}, {"publish", nil}} {
			c, err := r.until(step.name)
			if err != nil {
				return
			}
			if step.name == at {
				if answer(r, c) == nil && conn.(*net.TCPConn).CloseWrite() == nil {
					silent(conn)
				}
				return
			}
			if r.say("_result", c.CommandID, nil, step.result) != nil {
				return
			}
		}
	}
}

func TestDialTellsWhyItWasRefused(t *testing.T) {
	info := func(code, words string) amf0.Object {
		return amf0.Object{entry("level", "error"), entry("code", code), entry("description", words)}
	}
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   media.Error
	}{
		"connect rejected with a description": {
			refusing("connect", func(r *room, c *message.CommandAMF0) error {
				return r.say("_error", c.CommandID, nil, info("NetConnection.Connect.Rejected", "usersig expired"))
			}), media.Error{Kind: media.KindRoomDenied, Code: "NetConnection.Connect.Rejected", Words: "usersig expired"}},
		"the name is in use": {
			refusing("publish", func(r *room, _ *message.CommandAMF0) error {
				return r.status("error", "NetStream.Publish.BadName", "Already publishing")
			}), media.Error{Kind: media.KindRoomConflict, Code: "NetStream.Publish.BadName", Words: "Already publishing"}},
		"publish denied, repeating the stream key": {
			refusing("publish", func(r *room, c *message.CommandAMF0) error {
				return r.status("error", "NetStream.Publish.Denied", "no such stream: "+c.Arguments[1].(string))
			}), media.Error{Kind: media.KindRoomDenied, Code: "NetStream.Publish.Denied", Words: "no such stream: room_1?[redacted]"}},
		"createStream failed without words": {
			refusing("createStream", func(r *room, c *message.CommandAMF0) error {
				return r.say("_error", c.CommandID, nil, nil)
			}), media.Error{Kind: media.KindRoomUnavailable}},
		"createStream answered without a stream": {
			refusing("createStream", func(r *room, c *message.CommandAMF0) error {
				return r.say("_result", c.CommandID, nil, "one")
			}), media.Error{Kind: media.KindRoomUnavailable}},
		"a close in so many words": {
			refusing("publish", func(r *room, _ *message.CommandAMF0) error { return r.say("close", 0, nil) }),
			media.Error{Kind: media.KindRoomUnavailable}},
		"words at a harmless level, then the end": {
			refusing("publish", func(r *room, _ *message.CommandAMF0) error {
				return r.status("warning", "NetStream.Publish.Idle", "too many streams")
			}), media.Error{Kind: media.KindRoomUnavailable, Code: "NetStream.Publish.Idle", Words: "too many streams"}},
		"closed at publish without a word": {
			refusing("publish", func(*room, *message.CommandAMF0) error { return nil }), media.Error{Kind: media.KindRoomUnavailable}},
		"closed at connect": {
			refusing("connect", func(*room, *message.CommandAMF0) error { return nil }), media.Error{Kind: media.KindRoomUnavailable}},
		"closed at once": {func(net.Conn) {}, media.Error{Kind: media.KindRoomUnavailable}},
		"garbage for a handshake": {func(conn net.Conn) {
			_, _ = io.WriteString(conn, strings.Repeat("HTTP/1.1 400 Bad Request\r\n", 200))
			silent(conn)
		}, media.Error{Kind: media.KindRoomUnavailable}},
		"garbage after the handshake": {func(conn net.Conn) {
			if _, err := enter(conn); err == nil {
				_, _ = io.WriteString(conn, strings.Repeat("\xff", 5000))
				silent(conn)
			}
		}, media.Error{Kind: media.KindRoomUnavailable}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := (&Dialer{}).Dial(context.Background(), addressOf(serve(t, c.handle)), testTracks())
			e, ok := errors.AsType[*media.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.want, media.Error{Kind: e.Kind, Code: e.Code, Words: e.Words})
			requireNoSecret(t, err)
		})
	}
}

func TestARefusedConnectionIsAnUnavailableRoom(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = (&Dialer{}).Dial(context.Background(), addressOf(l.Addr().String()), testTracks())
	require.Equal(t, media.KindRoomUnavailable, media.KindOf(err))
	requireNoSecret(t, err)
}

func TestWhatBreaksTheContractIsOurFault(t *testing.T) {
	_, err := (&Dialer{}).Dial(context.Background(), media.PublishAddress{URL: "http://h/" + testSig}, testTracks())
	require.Equal(t, media.KindInternal, media.KindOf(err))
	requireNoSecret(t, err)
	_, err = (&Dialer{}).Dial(context.Background(), addressOf("127.0.0.1:1"), nil)
	require.Equal(t, media.KindInternal, media.KindOf(err))
}

// TestARoomOfGortmplib publishes to that library's server as it is.
func TestARoomOfGortmplib(t *testing.T) {
	type got struct {
		url      string
		messages []message.Message
	}
	results := make(chan got, 1)
	addr := serve(t, func(conn net.Conn) {
		sc := &gortmplib.ServerConn{RW: conn}
		if sc.Initialize() != nil || sc.Accept() != nil {
			return
		}
		g := got{url: sc.URL.String()}
		for {
			m, err := sc.Read()
			if err != nil {
				results <- g
				return
			}
			g.messages = append(g.messages, m)
		}
	})
	p, err := (&Dialer{}).Dial(context.Background(), addressOf(addr), testTracks())
	require.NoError(t, err)
	ctx := context.Background()
	require.NoError(t, write(ctx, p, videoPacket(0, 20000)))
	require.NoError(t, write(ctx, p, media.Packet{Track: 1, PTS: 5 * time.Hour, DTS: 5 * time.Hour, Data: []byte("audio")}))
	require.NoError(t, write(ctx, p, media.Packet{PTS: 5*time.Hour + 80*time.Millisecond, DTS: 5 * time.Hour, Data: make([]byte, 3000)}))
	require.Greater(t, sentBytes(p), int64(23000))
	require.NoError(t, p.Close(ctx))

	g := <-results
	require.True(t, strings.HasSuffix(g.url, "/push/room_1?sdkappid=1400000001&userid=alice&usersig="+testSig), "raw to the last *")
	require.Len(t, g.messages, 8)
	require.Equal(t, "@setDataFrame", g.messages[0].(*message.DataAMF0).Payload[0])
	require.Equal(t, uint8(0x64), g.messages[1].(*message.Video).AVCConfig.Profile)
	require.Equal(t, 48000, g.messages[2].(*message.Audio).AACConfig.SampleRate)
	first := g.messages[3].(*message.Video)
	require.True(t, first.IsKeyFrame)
	require.Len(t, first.AU, 20000)
	audio := g.messages[4].(*message.Audio)
	require.Equal(t, 5*time.Hour, audio.DTS)
	require.Equal(t, "audio", string(audio.AU))
	late := g.messages[5].(*message.Video)
	require.False(t, late.IsKeyFrame)
	require.Equal(t, 5*time.Hour, late.DTS)
	require.Equal(t, 80*time.Millisecond, late.PTSDelta)
	require.Equal(t, "FCUnpublish", g.messages[6].(*message.CommandAMF0).Name)
	require.Equal(t, "deleteStream", g.messages[7].(*message.CommandAMF0).Name)
}

func TestTheSignatureIsInPublishOnly(t *testing.T) {
	seen := make(chan *message.CommandAMF0, 10)
	addr := serve(t, func(conn net.Conn) {
		r, err := enter(conn)
		if err != nil {
			return
		}
		if c, err := r.until("connect"); err == nil {
			seen <- c
			_ = r.say("_error", c.CommandID, nil, nil)
		}
		silent(conn)
	})
	_, err := (&Dialer{}).Dial(context.Background(), addressOf(addr), testTracks())
	require.Error(t, err)
	arg := (<-seen).Arguments[0].(amf0.Object)
	tcURL, _ := arg.GetString("tcUrl")
	require.Equal(t, "rtmp://"+addr+"/push", tcURL)
	app, _ := arg.GetString("app")
	require.Equal(t, "push", app)
}

func TestRTMPS(t *testing.T) {
	cert, roots := selfSigned(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	unpublished := make(chan error, 1)
	addr := serveOn(t, l, func(conn net.Conn) {
		r, err := accept(conn)
		if err != nil {
			return
		}
		_, err = r.until("deleteStream")
		unpublished <- err
	})
	a := media.PublishAddress{URL: media.Secret("rtmps://" + addr + "/push/room?usersig=" + testSig)}

	p, err := (&Dialer{TLSConfig: &tls.Config{RootCAs: roots}}).Dial(context.Background(), a, testTracks())
	require.NoError(t, err)
	require.NoError(t, write(context.Background(), p, videoPacket(0, 5000)))
	require.NoError(t, p.Close(context.Background()))
	require.NoError(t, <-unpublished)

	_, err = (&Dialer{}).Dial(context.Background(), a, testTracks())
	require.Equal(t, media.KindRoomUnavailable, media.KindOf(err))
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	require.True(t, unknown)
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), NotBefore: time.Now().Add(-time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}
