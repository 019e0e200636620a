package rtmp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/bluenviron/gortmplib/pkg/bytecounter"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/rtmp/peer"
)

const (
	chunkSize           = 1360 // bytes of our chunks' payload: TRTC's advice, larger ones make it stumble
	defaultTimeout      = 10 * time.Second
	defaultWriteTimeout = 10 * time.Second

	// sendBuffer bounds what the kernel takes for a room that reads too slowly at
	// once: left alone it takes megabytes. backlog bounds it in time. The kernel
	// doubles it; 4 Mb/s pass at a round trip of half a second.
	sendBuffer = 128 << 10
)

var errTimeout = media.Because("it did not accept the publish in time", nil)

// Dialer implements media.Dialer. The zero value is ready for use; it may be
// used by many goroutines, and must not be copied after that.
type Dialer struct {
	// DialContext opens the TCP connection; nil means net.Dialer's. The
	// address comes from the operator's settings, so nothing guards it.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TLSConfig is for rtmps; nil means the defaults, the server's name is
	// filled in.
	TLSConfig *tls.Config
	// Timeout bounds Dial; 0 means 10 s.
	Timeout time.Duration
	// WriteTimeout is how long a packet may wait for a room that has stopped
	// reading; 0 means 10 s.
	WriteTimeout time.Duration
	// Log gets what rooms say beside refusals, at debug; nil means nowhere.
	Log *slog.Logger

	buffers sync.Pool // of *[]byte, shared by all connections
}

var _ media.Dialer = (*Dialer)(nil)

// Dial implements media.Dialer. Besides the room's kinds its error may be the
// cause of ctx's end, or KindInternal for an address or tracks that are not as
// the contract says.
func (d *Dialer) Dial(ctx context.Context, a media.PublishAddress, list []media.Track) (media.Sink, error) {
	t, err := splitAddress(a.URL)
	if err != nil {
		return nil, &media.Error{Kind: media.KindInternal, Op: opPublish, Err: err}
	}
	ts, err := newTracks(list)
	if err != nil {
		return nil, &media.Error{Kind: media.KindInternal, Op: opPublish, Err: err}
	}
	bounded, cancel := context.WithTimeoutCause(ctx, cmp.Or(d.Timeout, defaultTimeout), errTimeout)
	defer cancel()
	p, err := d.publish(bounded, t, ts)
	if err != nil {
		return nil, dialError(ctx, bounded, err)
	}
	return p, nil
}

// publish connects and opens the session; the end of ctx closes the
// connection under it.
func (d *Dialer) publish(ctx context.Context, t target, ts *tracks) (*publisher, error) {
	dial := d.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", t.hostPort)
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // only a wish to the kernel
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	p, err := d.start(ctx, conn, t, ts)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, err
	}
	go p.read()
	if err = p.writeHeader(); err != nil {
		err = p.explain(ctx, err)
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		<-p.done
		return nil, err
	}
	return p, nil
}

func (d *Dialer) start(ctx context.Context, conn net.Conn, t target, ts *tracks) (*publisher, error) {
	stream := conn
	if t.tls {
		secure := tls.Client(conn, d.tlsConfig(t.host))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		stream = secure
	}
	s := &session{target: t, room: newScrubber(t), bytes: bytecounter.NewReadWriter(stream), log: d.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.out = newOutput(stream, s.bytes.Writer, cmp.Or(d.WriteTimeout, defaultWriteTimeout), &d.buffers)
	s.out.backlog.watch(conn)
	s.in = peer.NewReader(s.bytes, s.out.control)
	if err := s.open(); err != nil {
		return nil, s.opened(err)
	}
	s.last = peer.Status{}
	return &publisher{
		session: s, conn: conn, stream: stream, tracks: ts,
		chunks: chunker{size: chunkSize, streamID: s.streamID}, done: make(chan struct{}),
	}, nil
}

// opened gives an error of the command phase its kind.
func (s *session) opened(err error) error {
	if _, refused := errors.AsType[*media.Error](err); refused {
		return err
	}
	return s.lost(opPublish, media.KindRoomUnavailable, err)
}

func (d *Dialer) tlsConfig(host string) *tls.Config {
	c := d.TLSConfig.Clone()
	if c == nil {
		c = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if c.ServerName == "" {
		c.ServerName = host
	}
	return c
}

// dialError says why Dial failed: the caller's context, our time limit, the
// room's refusal, or the network.
func dialError(ctx, bounded context.Context, err error) error {
	cause := context.Cause(bounded)
	if ctx.Err() != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", opPublish, cause)
	}
	if cause != nil {
		return &media.Error{Kind: media.KindRoomUnavailable, Op: opPublish, Err: inWords(cause)}
	}
	if e, ok := errors.AsType[*media.Error](err); ok {
		return e
	}
	return &media.Error{Kind: media.KindRoomUnavailable, Op: opPublish, Err: inWords(err)}
}
