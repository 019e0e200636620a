package rtmp

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/amf0"
	"github.com/bluenviron/gortmplib/pkg/bytecounter"
	"github.com/bluenviron/gortmplib/pkg/handshake"
	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/roomcast/roomcast/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promise is how long a call may take that must end within 200 ms, on a busy
// machine.
const promise = 500 * time.Millisecond

const testSig = "eJw1*canary-SECRET*0123456789-abcdefghij_"

func entry(key string, v any) amf0.ObjectEntry { return amf0.ObjectEntry{Key: key, Value: v} }

func testTracks() []media.Track {
	return []media.Track{
		// High 3.1, the SPS and PPS of x264 at 1280x720.
		{Type: media.Video, Codec: media.H264, Width: 1280, Height: 720, FPS: 25, Bitrate: 2_000_000, Extradata: []byte{
			1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0x1a, 0x67, 0x64, 0, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 1, 0x10, 0, 0,
			3, 0, 0x10, 0, 0, 3, 3, 0x20, 0xf1, 0x83, 0x19, 0x60, 1, 0, 6, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0}},
		{Type: media.Audio, Codec: media.AAC, SampleRate: 48000, Channels: 2, Extradata: []byte{0x11, 0x90}},
	}
}

func videoPacket(n int, size int) media.Packet {
	at := time.Duration(n) * 40 * time.Millisecond
	return media.Packet{Track: 0, PTS: at, DTS: at, Keyframe: n == 0, Data: make([]byte, size)}
}

// serve runs handle for every connection to a loopback address, which it
// returns, and waits at the test's end until all have ended.
func serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return serveOn(t, l, handle)
}

func serveOn(t testing.TB, l net.Listener, handle func(net.Conn)) string {
	t.Helper()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func addressOf(hostPort string) media.PublishAddress {
	return media.PublishAddress{URL: media.Secret("rtmp://" + hostPort + "/push/room_1?sdkappid=1400000001&userid=alice&usersig=" + testSig)}
}

// room is the server's side of a session, played step by step.
type room struct {
	*message.ReadWriter
	conn net.Conn
}

// enter does the handshake.
func enter(conn net.Conn) (*room, error) {
	bc := bytecounter.NewReadWriter(conn)
	if _, _, err := handshake.DoServer(bc, false); err != nil {
		return nil, err
	}
	return &room{ReadWriter: message.NewReadWriter(bc, bc, false), conn: conn}, nil
}

// until reads to the next command of that name.
func (r *room) until(name string) (*message.CommandAMF0, error) {
	for {
		m, err := r.Read()
		if err != nil {
			return nil, err
		}
		if c, ok := m.(*message.CommandAMF0); ok && c.Name == name {
			return c, nil
		}
	}
}

// header reads onMetaData and the two sequence headers.
func (r *room) header() error {
	for range 3 {
		if _, err := r.Read(); err != nil {
			return err
		}
	}
	return nil
}

// ping asks and reads on to the answer. gortmplib's connection is for one
// goroutine: its Read writes, too.
func (r *room) ping(i int) error {
	if err := r.Write(&message.UserControlPingRequest{ServerTime: uint32(i)}); err != nil {
		return err
	}
	for {
		m, err := r.Read()
		if err != nil {
			return err
		}
		if _, ok := m.(*message.UserControlPingResponse); ok {
			return nil
		}
	}
}

func (r *room) say(name string, id int, args ...any) error {
	return r.Write(&message.CommandAMF0{ChunkStreamID: 3, Name: name, CommandID: id, Arguments: args})
}

func (r *room) status(level, code, words string) error {
	return r.say("onStatus", 0, nil, amf0.Object{entry("level", level), entry("code", code), entry("description", words)})
}

// accept plays the whole command phase.
func accept(conn net.Conn) (*room, error) {
	r, err := enter(conn)
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		name   string
		result any
	}{{"connect", amf0.Object{entry("level", "status"), entry("code", "NetConnection.Connect.Success")}}, {"createStream", 1.0}} {
		c, err := r.until(step.name)
		if err != nil {
			return nil, err
		}
		if err := r.say("_result", c.CommandID, nil, step.result); err != nil {
			return nil, err
		}
	}
	if _, err := r.until("publish"); err != nil {
		return nil, err
	}
	return r, r.status("status", codePublishStart, "go on")
}

// open dials a room that plays handle once it has accepted.
func open(t testing.TB, d *Dialer, handle func(*room)) *publisher {
	t.Helper()
	addr := serve(t, func(conn net.Conn) {
		if r, err := accept(conn); err == nil {
			handle(r)
		}
	})
	p, err := d.Dial(context.Background(), addressOf(addr), testTracks())
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p.(*publisher)
}

// write writes packets, or asks why the session is over.
func write(ctx context.Context, p media.Sink, packets ...media.Packet) error {
	_, err := p.Write(ctx, packets)
	return err
}

func sentBytes(p media.Sink) int64 { return p.(*publisher).sentBytes() }
