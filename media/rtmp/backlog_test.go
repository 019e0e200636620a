package rtmp

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// mostQueued is what may wait for a room, in media.
const mostQueued = 2 * time.Second

// clip are the packets of an endless one.
type clip struct {
	video, audio int // bytes of a packet: 25 and 50 a second
}

// perSecond is its bit rate in bytes.
func (c clip) perSecond() int { return 25*c.video + 50*c.audio }

// packet returns the n-th: sound, and every third a picture.
func (c clip) packet(n int) (p media.Packet, there bool) {
	at := time.Duration(n/3) * 40 * time.Millisecond
	if n%3 == 0 {
		return media.Packet{PTS: at, DTS: at, Keyframe: n == 0, Data: make([]byte, c.video)}, c.video > 0
	}
	at += time.Duration(n%3-1) * 20 * time.Millisecond
	return media.Packet{Track: 1, PTS: at, DTS: at, Data: make([]byte, c.audio)}, c.audio > 0
}

// play writes the clip, as fast as the room takes it, until that fails.
func (c clip) play(ctx context.Context, p media.Sink) error {
	for n := 0; ; n++ {
		if packet, there := c.packet(n); there {
			if err := write(ctx, p, packet); err != nil {
				return err
			}
		}
	}
}

// unconfirmed asks the kernel what it holds of ours; nothing once it is closed.
func unconfirmed(p media.Sink) (held int) {
	raw, err := p.(*publisher).conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { held, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	}
	return held
}

// standsStill waits until nothing more goes out at two looks, or at five when the machine
// was late at all of them.
func standsStill(t *testing.T, p media.Sink) {
	t.Helper()
	const still, calm, late = 10, 5, 2
	for looks := 0; looks < still; {
		last, noise := sentBytes(p), mediatest.WatchNoise(t)
		<-time.After(300 * time.Millisecond) // what is sampled is that nothing moves
		switch stood := noise(); {
		case sentBytes(p) != last:
			looks = 0
		case stood < 150*time.Millisecond:
			looks += calm
		default:
			looks += late
		}
	}
}

func TestARoomThatDoesNotReadIsSentNoMoreThanTwoSecondsAtAnyBitRate(t *testing.T) {
	for name, c := range map[string]clip{
		"sound of 32 kb/s":                        {audio: 80},
		"sound of 128 kb/s":                       {audio: 320},
		"a picture of 100 kb/s, sound of 64 kb/s": {video: 500, audio: 160},
		"a picture of 1 Mb/s, sound of 128 kb/s":  {video: 5000, audio: 320},
		"a picture of 8 Mb/s":                     {video: 40000},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", TLS"}[secure], func(t *testing.T) {
				t.Parallel()
				deaf := make(chan struct{})
				release := sync.OnceFunc(func() { close(deaf) })
				p := openDeaf(t, secure, deaf)
				t.Cleanup(release)
				played := make(chan error, 1)
				ctx, cancel := context.WithCancelCause(context.Background())
				go func() { played <- c.play(ctx, p) }()
				standsStill(t, p)
				held := time.Duration(float64(unconfirmed(p)) / float64(c.perSecond()) * float64(time.Second))
				t.Logf("%v held", held.Round(10*time.Millisecond))
				require.LessOrEqual(t, held, mostQueued)
				require.GreaterOrEqual(t, p.Unconfirmed()+2*backlogSlot, held, "it is known, but for what is little")
				require.LessOrEqual(t, p.Unconfirmed(), 5*backlogSlot)
				before := sentBytes(p)
				release()
				require.Eventually(t, func() bool { return sentBytes(p) > before+64<<10 }, time.Minute, time.Millisecond, "it goes on")
				cancel(media.ErrStopped)
				require.ErrorIs(t, <-played, media.ErrStopped)
			})
		}
	}
}

// openDeaf dials a room that begins to read when it is released.
func openDeaf(t *testing.T, secure bool, release <-chan struct{}) media.Sink {
	t.Helper()
	handle := deaf(release, func(r *room) { silent(r.conn) })
	if !secure {
		return open(t, &Dialer{}, handle)
	}
	cert, roots := selfSigned(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	require.NoError(t, err)
	addr := serveOn(t, l, func(conn net.Conn) {
		if r, err := accept(conn); err == nil {
			handle(r)
		}
	})
	a := media.PublishAddress{URL: media.Secret("rtmps://" + addr + "/push/room?usersig=" + testSig)}
	p, err := (&Dialer{TLSConfig: &tls.Config{RootCAs: roots}}).Dial(context.Background(), a, testTracks())
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func TestAWaitForASlowRoomEndsLikeAWrite(t *testing.T) {
	sound := clip{audio: 80}
	for name, c := range map[string]struct {
		timeout time.Duration
		end     func(p media.Sink, cancel context.CancelCauseFunc)
		check   func(err error)
	}{
		"with its context": {end: func(_ media.Sink, cancel context.CancelCauseFunc) { cancel(media.ErrStopped) },
			check: func(err error) { require.ErrorIs(t, err, media.ErrStopped) }},
		"with Close": {end: func(p media.Sink, _ context.CancelCauseFunc) { _ = p.Close(context.Background()) },
			check: func(err error) { require.ErrorIs(t, err, net.ErrClosed) }},
		"with the patience": {timeout: time.Second, end: func(media.Sink, context.CancelCauseFunc) {},
			check: func(err error) { require.ErrorIs(t, err, errNotReading) }},
	} {
		t.Run(name, func(t *testing.T) {
			noise := mediatest.WatchNoise(t)
			release := make(chan struct{})
			p := open(t, &Dialer{WriteTimeout: c.timeout}, deaf(release, func(*room) {}))
			t.Cleanup(func() { close(release) })
			played := make(chan error, 1)
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			go func() { played <- sound.play(ctx, p) }()
			standsStill(t, p)
			begin := time.Now()
			c.end(p, cancel)
			c.check(<-played)
			require.Less(t, time.Since(begin), max(c.timeout, closeLimit)+promise+mediatest.Hops*noise())
		})
	}
}

func TestARoundTripIsNoSlowness(t *testing.T) {
	var b backlog
	for i := range b.written {
		b.written[i] = int64(i) * 100 // a hundred bytes a slot
	}
	const written = 300
	for held, late := range map[int64]time.Duration{0: 0, 99: 0, 100: 0, 199: 0, 200: backlogSlot, 300: 2 * backlogSlot} {
		require.Equal(t, late, b.lateness(held, written), "%d bytes", held)
	}
	b.note(time.Second)
	require.Equal(t, time.Second, b.span())
	b.looked.Store(time.Now().Add(-time.Minute).UnixNano())
	require.Zero(t, b.span(), "nothing was written for long: all has arrived")
	b.busy.Store(true)
	require.Equal(t, time.Second, b.span(), "a write is taking long")
}
