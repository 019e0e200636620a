package rtmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib/pkg/message"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// narrow dials with a small send buffer, so that a room which does not read
// is felt soon.
func narrow(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetWriteBuffer(16 << 10)
	}
	return conn, err
}

// deaf accepts the publish and reads nothing until released.
func deaf(release <-chan struct{}, after func(*room)) func(*room) {
	return func(r *room) {
		<-release
		after(r)
	}
}

// large is a packet that no kernel takes whole from us for a room that does not
// read: what is left of it when it is cut does not fit, either.
const large = 1 << 20

// block writes packets until one does not return, and reports its error. The
// channel running gets a value when the writes have begun to block.
func block(ctx context.Context, p *publisher) (running <-chan struct{}, result <-chan error) {
	started, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			if err := write(ctx, p, videoPacket(n, large)); err != nil {
				done <- err
				return
			}
		}
	}()
	go func() {
		defer close(started)
		for last := int64(-1); last != sentBytes(p) || unconfirmed(p) < sendBuffer; {
			last = sentBytes(p)
			<-time.After(100 * time.Millisecond) // what is sampled is that nothing moves
		}
	}()
	return started, done
}

func TestAWriteEndsWithItsContextWhenTheRoomStopsReading(t *testing.T) {
	noise := mediatest.WatchNoise(t)
	release := make(chan struct{})
	p := open(t, &Dialer{DialContext: narrow}, deaf(release, func(*room) {}))
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancelCause(context.Background())
	running, result := block(ctx, p)
	<-running
	start := time.Now()
	cancel(media.ErrStopped)
	err := <-result
	require.Less(t, time.Since(start), promise+mediatest.Hops*noise())
	require.ErrorIs(t, err, media.ErrStopped)
	require.ErrorIs(t, write(ctx, p, videoPacket(0, 1)), media.ErrStopped)

	start, noise = time.Now(), mediatest.WatchNoise(t)
	require.Equal(t, media.KindRoomUnavailable, media.KindOf(p.Close(context.Background())))
	require.Less(t, time.Since(start), closeLimit+promise+mediatest.Hops*noise())
}

func TestARoomThatDoesNotReadIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	p := open(t, &Dialer{DialContext: narrow, WriteTimeout: 300 * time.Millisecond}, deaf(release, func(*room) {}))
	t.Cleanup(func() { close(release) })
	_, result := block(context.Background(), p)
	err := <-result
	require.Equal(t, media.KindRoomUnavailable, media.KindOf(err))
	require.ErrorIs(t, err, errNotReading)
	require.Equal(t, err, write(context.Background(), p, videoPacket(0, 1)), "and stays so")
}

// TestACutPacketIsFinishedByTheNext cancels a packet half way and goes on with
// another context: the stream the room reads is whole.
func TestACutPacketIsFinishedByTheNext(t *testing.T) {
	release := make(chan struct{})
	sizes := make(chan []int, 1)
	p := open(t, &Dialer{DialContext: narrow}, deaf(release, func(r *room) {
		var got []int
		for {
			m, err := r.Read()
			if err != nil {
				sizes <- got
				return
			}
			if v, ok := m.(*message.Video); ok && v.Type == message.VideoTypeAU {
				got = append(got, len(v.AU))
			}
		}
	}))
	ctx, cancel := context.WithCancel(context.Background())
	running, result := block(ctx, p)
	<-running
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	close(release)
	require.NoError(t, write(context.Background(), p, videoPacket(1, 777)))
	require.NoError(t, p.Close(context.Background()))
	got := <-sizes
	require.Equal(t, 777, got[len(got)-1])
	for _, size := range got[:len(got)-1] {
		require.Equal(t, large, size)
	}
}

func TestACutPacketIsFinishedByClose(t *testing.T) {
	for tries := 3; ; tries-- {
		release := make(chan struct{})
		goodbye := make(chan error, 1)
		p := open(t, &Dialer{DialContext: narrow}, deaf(release, func(r *room) {
			_, err := r.until("deleteStream")
			goodbye <- err
		}))
		ctx, cancel := context.WithCancel(context.Background())
		running, result := block(ctx, p)
		<-running
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		noise := mediatest.WatchNoise(t)
		close(release)
		err := errors.Join(p.Close(context.Background()), <-goodbye)
		if stood := noise(); err == nil || stood < closeLimit/4 || tries == 1 {
			require.NoError(t, err)
			return
		}
	}
}

func TestTheRoomEndsTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*room) error
		want media.Error
	}{
		"with a kick": {func(r *room) error { return r.status("error", "NetStream.Publish.Kicked", "user alice entered again") },
			media.Error{Kind: media.KindRoomKicked, Code: "NetStream.Publish.Kicked", Words: "user alice entered again"}},
		"with a rejection": {func(r *room) error { return r.status("error", "NetStream.Publish.Rejected", "B-frames") },
			media.Error{Kind: media.KindRoomDenied, Code: "NetStream.Publish.Rejected", Words: "B-frames"}},
		"with a shutdown": {func(r *room) error { return r.status("status", "NetConnection.Connect.AppShutdown", "see you") },
			media.Error{Kind: media.KindRoomClosed, Code: "NetConnection.Connect.AppShutdown", Words: "see you"}},
		"with an unpublish of its own": {func(r *room) error { return r.status("status", "NetStream.Unpublish.Success", "gone") },
			media.Error{Kind: media.KindRoomClosed, Code: "NetStream.Unpublish.Success", Words: "gone"}},
		"with close": {func(r *room) error { return r.say("close", 0, nil) }, media.Error{Kind: media.KindRoomClosed}},
		"without a word": {func(*room) error { return nil },
			media.Error{Kind: media.KindRoomClosed}},
		"with a reset": {func(r *room) error { return r.conn.(*net.TCPConn).SetLinger(0) },
			media.Error{Kind: media.KindRoomClosed}},
		"with garbage": {func(r *room) error {
			_, err := io.WriteString(r.conn, "\xc7 garbage")
			return err
		}, media.Error{Kind: media.KindRoomClosed}},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t, &Dialer{}, func(r *room) {
				if r.header() == nil {
					_ = c.end(r)
				}
			})
			select {
			case <-p.done:
			case <-time.After(10 * time.Second):
				t.Fatal("not noticed")
			}
			err := write(context.Background(), p, videoPacket(0, 100))
			e, ok := errors.AsType[*media.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.want, media.Error{Kind: e.Kind, Code: e.Code, Words: e.Words})
			require.NoError(t, p.Close(context.Background()), "there is nobody to tell")
		})
	}
}

func TestAKickEndsABlockedWrite(t *testing.T) {
	noise := mediatest.WatchNoise(t)
	kick, release := make(chan struct{}), make(chan struct{})
	p := open(t, &Dialer{DialContext: narrow}, func(r *room) {
		<-kick
		_ = r.status("error", "NetStream.Publish.Kicked", "again")
		<-release
	})
	t.Cleanup(func() { close(release) })
	running, result := block(context.Background(), p)
	<-running
	start := time.Now()
	close(kick)
	require.Equal(t, media.KindRoomKicked, media.KindOf(<-result))
	require.Less(t, time.Since(start), promise+mediatest.Hops*noise())
}

// TestAFailedWriteWaitsForTheWords: the write may fail before the reader has
// come to the reason, even that of the sequence headers.
func TestAFailedWriteWaitsForTheWords(t *testing.T) {
	addr := serve(t, func(conn net.Conn) {
		if r, err := accept(conn); err == nil {
			_ = r.status("error", "NetStream.Publish.Denied", "too late")
			_ = conn.(*net.TCPConn).CloseWrite()
			silent(conn)
		}
	})
	for range 20 {
		p, err := (&Dialer{}).Dial(context.Background(), addressOf(addr), testTracks())
		for err == nil {
			err = write(context.Background(), p, videoPacket(0, 1000))
		}
		require.Equal(t, media.KindRoomDenied, media.KindOf(err), "%v", err)
		if p != nil {
			require.NoError(t, p.Close(context.Background()))
		}
	}
}

func TestCloseEndsABlockedWrite(t *testing.T) {
	noise := mediatest.WatchNoise(t)
	release := make(chan struct{})
	p := open(t, &Dialer{DialContext: narrow}, deaf(release, func(*room) {}))
	t.Cleanup(func() { close(release) })
	running, result := block(context.Background(), p)
	<-running
	start := time.Now()
	require.Error(t, p.Close(context.Background()))
	require.Less(t, time.Since(start), closeLimit+promise+mediatest.Hops*noise())
	require.ErrorIs(t, <-result, net.ErrClosed)
}

func TestCloseTellsTheRoom(t *testing.T) {
	heard := make(chan []string, 1)
	p := open(t, &Dialer{}, func(r *room) {
		var names []string
		for {
			m, err := r.Read()
			if err != nil {
				heard <- names
				return
			}
			if c, ok := m.(*message.CommandAMF0); ok {
				names = append(names, c.Name)
			}
		}
	})
	require.NoError(t, p.Close(context.Background()))
	require.NoError(t, p.Close(context.Background()), "again")
	require.Equal(t, []string{"FCUnpublish", "deleteStream"}, <-heard)
	err := write(context.Background(), p, videoPacket(0, 1))
	require.Equal(t, media.KindRoomClosed, media.KindOf(err))
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestCloseDoesNotWaitForARoomThatStays(t *testing.T) {
	noise := mediatest.WatchNoise(t)
	release := make(chan struct{})
	p := open(t, &Dialer{}, deaf(release, func(*room) {}))
	t.Cleanup(func() { close(release) })
	start := time.Now()
	require.NoError(t, p.Close(context.Background()))
	require.Less(t, time.Since(start), closeLimit+promise+mediatest.Hops*noise())
}

func TestCloseWithAnEndedContextClosesAtOnce(t *testing.T) {
	noise := mediatest.WatchNoise(t)
	release := make(chan struct{})
	p := open(t, &Dialer{}, deaf(release, func(*room) {}))
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	_ = p.Close(ctx)
	require.Less(t, time.Since(start), promise+mediatest.Hops*noise())
	<-p.done
}

func TestPingsAndWindowsAreAnswered(t *testing.T) {
	answers := make(chan message.Message, 10)
	p := open(t, &Dialer{}, func(r *room) {
		defer close(answers)
		if r.Write(&message.SetWindowAckSize{Value: 50}) != nil ||
			r.Write(&message.UserControlStreamBegin{StreamID: 1}) != nil ||
			r.Write(&message.UserControlPingRequest{ServerTime: 4711}) != nil ||
			r.status("status", "NetStream.Something.New", "words enough to fill the window of fifty bytes") != nil {
			return
		}
		for {
			m, err := r.Read()
			if err != nil {
				return
			}
			switch m.(type) {
			case *message.UserControlPingResponse, *message.Acknowledge:
				answers <- m
			}
		}
	})
	var pong, ack bool
	for !pong || !ack {
		m, ok := <-answers
		require.True(t, ok)
		switch m := m.(type) {
		case *message.UserControlPingResponse:
			require.EqualValues(t, 4711, m.ServerTime)
			pong = true
		case *message.Acknowledge:
			ack = true
		}
	}
	require.NoError(t, write(context.Background(), p, videoPacket(0, 10)))
}

func TestAPongSharesTheConnectionWithPackets(t *testing.T) {
	const pings = 20
	pongs := make(chan int, 1)
	p := open(t, &Dialer{}, func(r *room) {
		n := 0
		for n < pings && r.ping(n) == nil {
			n++
		}
		pongs <- n
		silent(r.conn)
	})
	for n := 0; ; n++ {
		require.NoError(t, write(context.Background(), p, videoPacket(n, 3000)))
		select {
		case got := <-pongs:
			require.Equal(t, pings, got)
			return
		default:
		}
	}
}

// TestWhatTheRoomSaysInOtherWaysIsSkipped: unknown types and events, an AMF3
// command, and chunk sizes of its own do not end a session.
func TestWhatTheRoomSaysInOtherWaysIsSkipped(t *testing.T) {
	p := open(t, &Dialer{}, func(r *room) {
		_ = r.header()
		_, _ = r.conn.Write([]byte{2, 0, 0, 0, 0, 0, 6, 4, 0, 0, 0, 0, 0, 31, 0, 0, 0, 1}) // user control event 31
		_, _ = r.conn.Write([]byte{2, 0, 0, 0, 0, 0, 1, 22, 0, 0, 0, 0, 9})                // aggregate message
		_, _ = r.conn.Write([]byte{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 16, 0})       // chunk size 4096
		_, _ = r.conn.Write([]byte{3, 0, 0, 0, 0, 0, 3, 20, 0, 0, 0, 0, 2, 0, 9})          // a command cut short
		_, _ = r.conn.Write([]byte{3, 0, 0, 0, 0, 0, 18, 17, 0, 0, 0, 0,                   // AMF3: close
			0, 2, 0, 5, 'c', 'l', 'o', 's', 'e', 0, 0, 0, 0, 0, 0, 0, 0, 0})
		silent(r.conn)
	})
	<-p.done
	err := write(context.Background(), p, videoPacket(0, 1))
	require.Equal(t, media.KindRoomClosed, media.KindOf(err))
	require.NotErrorIs(t, err, io.EOF, "it was the command, not the connection")
	require.NotContains(t, err.Error(), "protocol")
}

func TestPacketsThatBreakTheContract(t *testing.T) {
	p := open(t, &Dialer{}, func(r *room) { silent(r.conn) })
	for name, pkt := range map[string]media.Packet{
		"a track that is not there": {Track: 2},
		"a negative track":          {Track: -1},
		"16 MiB of data":            {Data: make([]byte, 1<<24)},
	} {
		require.Equal(t, media.KindInternal, media.KindOf(write(context.Background(), p, pkt)), name)
	}
	require.NoError(t, write(context.Background(), p, videoPacket(0, 1)))
}

// TestOpensAndClosesLeaveNothing: goleak sees to goroutines of the others.
func TestOpensAndClosesLeaveNothing(t *testing.T) {
	addr := serve(t, func(conn net.Conn) {
		if r, err := accept(conn); err == nil {
			_, _ = r.until("deleteStream")
		}
	})
	d := &Dialer{}
	cycle := func() {
		p, err := d.Dial(context.Background(), addressOf(addr), testTracks())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		require.NoError(t, write(ctx, p, videoPacket(0, 1000)))
		cancel()
		noise := mediatest.WatchNoise(t)
		err = p.Close(context.Background())
		if stood := noise(); err != nil {
			require.Greater(t, stood, closeLimit/2, "%v", err)
		}
	}
	cycle()
	files, goroutines := openFiles(t), runtime.NumGoroutine()
	for range 100 {
		cycle()
	}
	require.Eventually(t, func() bool {
		return openFiles(t) <= files+1 && runtime.NumGoroutine() <= goroutines+2
	}, 20*time.Second, 10*time.Millisecond)
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// writeCounter counts the writes of a connection.
type writeCounter struct {
	net.Conn
	writes atomic.Int64
}

func (c *writeCounter) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func TestPacketsThatAreWrittenTogetherLeaveTogetherAndInOrder(t *testing.T) {
	counted := &writeCounter{}
	got := make(chan string, 1)
	p := open(t, &Dialer{DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		counted.Conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return counted, err
	}}, func(r *room) {
		err, all := r.header(), ""
		for err == nil {
			var m message.Message
			switch m, err = r.Read(); m := m.(type) {
			case *message.Video:
				all += fmt.Sprintf("video %d of %d bytes at %v, ", m.Type, len(m.AU), m.DTS)
			case *message.Audio:
				all += fmt.Sprintf("audio %d of %d bytes at %v, ", m.AACType, len(m.AU), m.DTS)
			}
		}
		got <- all
	})
	before := counted.writes.Load()
	bytes, err := p.Write(context.Background(), []media.Packet{
		{Keyframe: true, Data: make([]byte, 3000)},
		{Track: 1, PTS: 10 * time.Millisecond, DTS: 10 * time.Millisecond, Data: make([]byte, 300)},
		{PTS: 40 * time.Millisecond, DTS: 40 * time.Millisecond, Keyframe: true, Data: make([]byte, 2000), Extradata: testTracks()[0].Extradata},
	})
	require.NoError(t, err)
	require.Greater(t, bytes, int64(5300))
	require.EqualValues(t, 1, counted.writes.Load()-before)
	more, err := p.Write(context.Background(), []media.Packet{{Track: 1, PTS: time.Second, DTS: time.Second, Data: []byte{4}}})
	require.NoError(t, err)
	require.EqualValues(t, 8+2+1, more, "a header of type 1, the tag, a byte")
	require.NoError(t, p.Close(context.Background()))
	require.Equal(t, "video 1 of 3000 bytes at 0s, audio 1 of 300 bytes at 10ms, video 0 of 0 bytes at 0s, video 1 of 2000 bytes at 40ms, audio 1 of 1 bytes at 1s, ", <-got)
}
