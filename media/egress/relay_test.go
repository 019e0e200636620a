package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// connectOf is the connect libav's rtmpproto.c sends for input (gen_connect).
func connectOf(app, flashVer, tcURL string) *message.CommandAMF0 {
	return &message.CommandAMF0{ChunkStreamID: 3, Name: "connect", CommandID: 1, Arguments: []any{amf0.Object{
		{Key: "app", Value: app},
		{Key: "flashVer", Value: flashVer},
		{Key: "tcUrl", Value: tcURL},
		{Key: "fpad", Value: false},
		{Key: "capabilities", Value: 15.0},
		{Key: "audioCodecs", Value: 4071.0},
		{Key: "videoCodecs", Value: 252.0},
		{Key: "videoFunction", Value: 1.0},
	}}}
}

// player dials the relay of w and speaks as libav does, up to connect.
func player(t testing.TB, w *way, flashVer string) (net.Conn, *message.ReadWriter) {
	t.Helper()
	u, err := url.Parse(w.URL.Reveal())
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(testTime))
	_, _, err = handshake.DoClient(conn, false, false)
	require.NoError(t, err)
	rw := message.NewReadWriter(conn, bytecounter.NewReadWriter(conn), false)
	require.NoError(t, rw.Write(connectOf("live", flashVer, w.Options["rtmp_tcurl"].Reveal())))
	return conn, rw
}

func TestTheSourceGetsTheConnectWithoutThePassword(t *testing.T) {
	commands := make(chan *message.CommandAMF0, 1)
	at := rtmpSource(t, listen(t), func(conn net.Conn) {
		var raw bytes.Buffer
		if _, _, err := handshake.DoServer(conn, false); err != nil {
			return
		}
		tee := struct {
			io.Reader
			io.Writer
		}{io.TeeReader(conn, &raw), conn}
		rw := message.NewReadWriter(tee, bytecounter.NewReadWriter(conn), false)
		m, err := rw.Read()
		if err != nil {
			return
		}
		command := m.(*message.CommandAMF0)
		_ = rw.Write(&message.CommandAMF0{ChunkStreamID: 3, Name: "_result", CommandID: 1, Arguments: []any{nil, raw.String()}})
		commands <- command
		_, _ = io.Copy(io.Discard, conn)
	})
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	w := openWay(t, g, "rtmp://"+at+"/live/key?token=canary")
	want := w.Options["rtmp_flashver"].Reveal()
	require.LessOrEqual(t, len(want), 64, "libav refuses a longer one")
	require.Equal(t, "rtmp://"+at+"/live", w.Options["rtmp_tcurl"].Reveal())
	require.True(t, strings.HasSuffix(w.URL.Reveal(), "/live/key?token=canary"))

	conn, rw := player(t, w, want)
	got := <-commands
	object := got.Arguments[0].(amf0.Object)
	flashVer, _ := object.GetString("flashVer")
	require.Equal(t, flashVersion+strings.Repeat(" ", len(w.password)), flashVer)
	app, _ := object.GetString("app")
	require.Equal(t, "live", app)
	m, err := rw.Read()
	require.NoError(t, err)
	require.NotContains(t, fmt.Sprint(m), w.password)
	require.NoError(t, w.Refusal())
	_ = conn.Close()
}

func TestARelayWithoutThePasswordDialsNothing(t *testing.T) {
	secret := newInside(t, "127.0.0.1:0")
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	raw := "rtmp://" + secret.listener.Addr().String() + "/live/key"
	w, other := openWay(t, g, raw), openWay(t, g, raw)
	for name, flashVer := range map[string]string{
		"none":          "LNX 9,0,124,2",
		"empty":         "",
		"wrong":         flashVersion + strings.Repeat("x", len(w.password)),
		"spaces":        flashVersion + strings.Repeat(" ", len(w.password)),
		"another way's": other.Options["rtmp_flashver"].Reveal(),
		"only the word": w.password,
		"longer":        w.Options["rtmp_flashver"].Reveal() + "x",
	} {
		_, rw := player(t, w, flashVer)
		_, err := rw.Read()
		require.Error(t, err, name)
	}
	secret.requireUntouched(t)
	require.NoError(t, w.Refusal(), "a stranger's knock is not the source's fault")
}

func TestWhatIsNoPlayerIsClosedWithoutDialling(t *testing.T) {
	secret := newInside(t, "127.0.0.1:0")
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	w := openWay(t, g, "rtmp://"+secret.listener.Addr().String()+"/live/key")
	u, _ := url.Parse(w.URL.Reveal())
	for name, speak := range map[string]func(net.Conn) error{
		"HTTP":  func(c net.Conn) error { _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); return err },
		"RTMPE": func(c net.Conn) error { _, _, err := handshake.DoClient(c, true, false); return err },
		"noise": func(c net.Conn) error {
			_, _, err := handshake.DoClient(c, false, false)
			_, _ = c.Write(bytes.Repeat([]byte{0x03, 0xff}, maxConnect))
			return err
		},
		"another command": func(c net.Conn) error {
			_, _, err := handshake.DoClient(c, false, false)
			command := connectOf("a", w.Options["rtmp_flashver"].Reveal(), "b")
			command.Name = "publish"
			_ = message.NewWriter(c, bytecounter.NewWriter(c), false).Write(command)
			return err
		},
		"endless messages": func(c net.Conn) error {
			_, _, err := handshake.DoClient(c, false, false)
			for err == nil {
				_, err = c.Write(bytes.Repeat([]byte{2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 0}, 64))
			}
			return nil
		},
	} {
		conn, err := net.Dial("tcp", u.Host)
		require.NoError(t, err)
		_ = conn.SetDeadline(time.Now().Add(testTime))
		_ = speak(conn)
		_, err = io.Copy(io.Discard, conn)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, name)
		_ = conn.Close()
	}
	secret.requireUntouched(t)
}

func TestARelayDialsOnlyWhatTheRulesAllow(t *testing.T) {
	secret := newInside(t, "127.0.0.2:0")
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}, Resolver: newNamesFor("in.example", "127.0.0.2")})
	for _, scheme := range []string{"rtmp", "rtmps"} {
		w := openWay(t, g, scheme+"://in.example:"+secret.port()+"/live/canary?canary")
		_, rw := player(t, w, w.Options["rtmp_flashver"].Reveal())
		_, err := rw.Read()
		require.Error(t, err)
		requireKind(t, media.KindSourceHost, w.Refusal())
		require.NotContains(t, w.Refusal().Error(), "canary")
	}
	secret.requireUntouched(t)
}

func TestRTMPSourcesThatFailAreUnavailable(t *testing.T) {
	g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
	gone := listen(t)
	_ = gone.Close()
	mute := rtmpSource(t, listen(t), func(net.Conn) {})
	web := rtmpSource(t, listen(t), func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 canary\r\n\r\n") })
	for _, raw := range []string{
		"rtmp://" + gone.Addr().String() + "/a/canary", "rtmp://" + mute + "/a/canary", "rtmp://" + web + "/a/canary",
		"rtmps://" + gone.Addr().String() + "/a/canary", "rtmps://" + mute + "/a/canary", "rtmps://" + web + "/a/canary",
	} {
		w := openWay(t, g, raw)
		_, rw := player(t, w, w.Options["rtmp_flashver"].Reveal())
		_, err := rw.Read()
		require.Error(t, err)
		requireKind(t, media.KindSourceUnavailable, w.Refusal())
		require.NotContains(t, w.Refusal().Error(), "canary")
	}
}

// withFlashVer is a connection that puts a way's flashVer into the connect of
// gortmplib's client, whose own is fixed. The client sends connect as one
// chunk in one write.
type withFlashVer struct {
	net.Conn
	flashVer string
}

func (c withFlashVer) Write(b []byte) (int, error) {
	own := []byte("LNX 9,0,124,2")
	at := bytes.Index(b, own)
	if at < 0 {
		return c.Conn.Write(b)
	}
	patched := append(bytes.Clone(b[:at]), c.flashVer...)
	patched = append(patched, b[at+len(own):]...)
	binary.BigEndian.PutUint16(patched[at-2:], uint16(len(c.flashVer)))
	size := int(b[4])<<16 | int(b[5])<<8 | int(b[6]) + len(c.flashVer) - len(own)
	patched[4], patched[5], patched[6] = byte(size>>16), byte(size>>8), byte(size)
	_, err := c.Conn.Write(patched)
	return len(b), err
}

// streamH264 is a source that plays units to whoever connects.
func streamH264(units int) func(net.Conn) {
	return func(conn net.Conn) {
		server := &gortmplib.ServerConn{RW: conn}
		if server.Initialize() != nil || server.Accept() != nil {
			return
		}
		track := &gortmplib.Track{Codec: &codecs.H264{
			SPS: []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00,
				0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc9, 0x20},
			PPS: []byte{0x68, 0xcb, 0x8c, 0xb2},
		}}
		writer := &gortmplib.Writer{Conn: server, Tracks: []*gortmplib.Track{track}}
		if writer.Initialize() != nil {
			return
		}
		for i := range units {
			unit := append([]byte{5}, bytes.Repeat([]byte{byte(i)}, 5000)...)
			if writer.WriteH264(track, time.Duration(i)*40*time.Millisecond, time.Duration(i)*40*time.Millisecond, [][]byte{unit}) != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

func selfSigned() (tls.Certificate, *x509.CertPool) {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate()) // valid for example.com
	return s.TLS.Certificates[0], pool
}

func TestMediaPassesTheRelay(t *testing.T) {
	const units = 200
	certificate, roots := selfSigned()
	g := newGate(t, Config{
		Allow: []string{"127.0.0.1"}, TLSRoots: roots, Resolver: newNamesFor("example.com", "127.0.0.1"),
	})
	names := make(chan string, 1)
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}}
	plain := listen(t)
	for scheme, listener := range map[string]net.Listener{"rtmp": plain, "rtmps": tls.NewListener(listen(t), config)} {
		t.Run(scheme, func(t *testing.T) {
			_, port, _ := net.SplitHostPort(rtmpSource(t, listener, streamH264(units)))
			w := openWay(t, g, scheme+"://example.com:"+port+"/live/key?token=1")
			requireUnits(t, w, units)
			require.NoError(t, w.Refusal())
			if scheme == "rtmps" {
				require.Equal(t, "example.com", <-names)
			}
		})
	}
}

func requireUnits(t *testing.T, w *way, units int) {
	t.Helper()
	u, err := url.Parse(w.URL.Reveal())
	require.NoError(t, err)
	client := &gortmplib.Client{URL: u, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return withFlashVer{conn, w.Options["rtmp_flashver"].Reveal()}, err
	}}
	require.NoError(t, client.Initialize(t.Context()))
	defer client.Close()
	reader := &gortmplib.Reader{Conn: client}
	require.NoError(t, reader.Initialize())
	require.Len(t, reader.Tracks(), 1)
	got := 0
	reader.OnDataH264(reader.Tracks()[0], func(_, _ time.Duration, au [][]byte) {
		unit := au[len(au)-1]
		if len(unit) != 5001 {
			return // the parameter sets
		}
		require.Equal(t, byte(got), unit[5000])
		got++
	})
	for got < units {
		require.NoError(t, reader.Read())
	}
}

func TestACertificateThatDoesNotVerifyHasItsOwnKind(t *testing.T) {
	certificate, roots := selfSigned()
	listener := tls.NewListener(listen(t), &tls.Config{Certificates: []tls.Certificate{certificate}})
	_, port, _ := net.SplitHostPort(rtmpSource(t, listener, streamH264(1)))
	resolver := newNames(map[string][][]string{"example.com": {{"127.0.0.1"}}, "example.net": {{"127.0.0.1"}}})
	for host, pool := range map[string]*x509.CertPool{"example.com": x509.NewCertPool(), "example.net": roots} {
		g := newGate(t, Config{Allow: []string{"127.0.0.1"}, TLSRoots: pool, Resolver: resolver})
		w := openWay(t, g, "rtmps://"+host+":"+port+"/live/key")
		_, rw := player(t, w, w.Options["rtmp_flashver"].Reveal())
		_, err := rw.Read()
		require.Error(t, err)
		requireKind(t, media.KindSourceTLS, w.Refusal())
		require.ErrorIs(t, w.Refusal(), errCertificate)
	}
}

func TestTheEndOfAWayEndsItsRelay(t *testing.T) {
	hang := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	greet := func(c net.Conn) {
		_, _, _ = handshake.DoServer(c, false)
		_, _ = io.Copy(io.Discard, c)
	}
	for name, serve := range map[string]func(net.Conn){"in the handshake": hang, "in the stream": greet} {
		for _, byContext := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, by context %t", name, byContext), func(t *testing.T) {
				reached, left := make(chan struct{}), make(chan struct{})
				at := rtmpSource(t, listen(t), func(c net.Conn) { close(reached); serve(c); close(left) })
				g := newGate(t, Config{Allow: []string{"127.0.0.1"}})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w, err := g.open(ctx, media.SourceRequest{URL: media.Secret("rtmp://" + at + "/live/key")})
				require.NoError(t, err)
				_, rw := player(t, w, w.Options["rtmp_flashver"].Reveal())
				<-reached
				start := time.Now()
				if byContext {
					cancel()
				} else {
					w.Close()
				}
				<-left
				_, err = rw.Read()
				require.Error(t, err)
				w.Close()
				require.Less(t, time.Since(start), 5*time.Second)
				require.NoError(t, w.Refusal())
			})
		}
	}
}

func TestAPlayerThatLeavesEndsTheSourceConnection(t *testing.T) {
	reached, left := make(chan struct{}), make(chan struct{})
	at := rtmpSource(t, listen(t), func(c net.Conn) {
		_, _, _ = handshake.DoServer(c, false)
		close(reached)
		_, _ = io.Copy(io.Discard, c)
		close(left)
	})
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), "rtmp://"+at+"/live/key")
	conn, _ := player(t, w, w.Options["rtmp_flashver"].Reveal())
	<-reached
	_ = conn.Close()
	<-left
}

func TestARelayTakesAFewConnectionsAtOnce(t *testing.T) {
	w := openWay(t, newGate(t, Config{Allow: []string{"127.0.0.1"}}), "rtmp://127.0.0.1/live/key")
	u, _ := url.Parse(w.URL.Reveal())
	for range relayConns {
		conn, err := net.Dial("tcp", u.Host)
		require.NoError(t, err)
		defer conn.Close()
	}
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(testTime))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}

func TestUserInfoStaysWithLibav(t *testing.T) {
	w := openWay(t, newGate(t, Config{}), "rtmps://user:p%40ss@example.com/live/inst/key?a=b")
	require.Regexp(t, `^rtmp://user:p%40ss@127\.0\.0\.1:\d+/live/inst/key\?a=b$`, w.URL.Reveal())
	require.Equal(t, "rtmps://example.com:443/live/inst", w.Options["rtmp_tcurl"].Reveal())
}
