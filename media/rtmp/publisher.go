package rtmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	opWrite = "write to room"
	opRead  = "room connection"
	opClose = "unpublish"

	// closeLimit bounds Close, whatever its context says.
	closeLimit = 300 * time.Millisecond
	// wordsLimit is how long a failed write waits for the reader to come upon
	// the reason, which the room sent before it closed.
	wordsLimit = 200 * time.Millisecond
)

var errNotReading = media.Because("it has stopped taking what is sent", nil)

// publisher implements media.Sink. One goroutine of its own reads; it ends with
// Close.
type publisher struct {
	*session
	conn   net.Conn // TCP
	stream net.Conn // TCP, or TLS over it
	tracks *tracks
	chunks chunker
	told   int64 // bytes that Write has told of

	fault  atomic.Pointer[media.Error] // why the session ended; set once
	closed atomic.Bool
	done   chan struct{} // closed when the reader has ended

	closing  sync.Once
	closeErr error
}

// writeHeader sends onMetaData and the sequence headers.
func (p *publisher) writeHeader() error {
	if err := p.out.acquire(context.Background()); err != nil {
		return err
	}
	defer p.out.release()
	if err := p.out.queue(p.metadata(p.tracks.metadata())); err != nil {
		return err
	}
	b := p.out.begin()
	for i := range p.tracks.list {
		*b = p.tracks.appendConfig(*b, &p.chunks, i)
	}
	return p.out.flush()
}

// Write implements media.Sink, with one system call. When it fails because ctx ended,
// the session is whole and the rest of the packets goes out with the next ones, or with
// Close.
func (p *publisher) Write(ctx context.Context, packets []media.Packet) (bytes int64, err error) {
	if len(packets) == 0 {
		return 0, p.endedByRoom()
	}
	if err := p.check(packets); err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, fmt.Errorf("%s: %w", opWrite, context.Cause(ctx))
	}
	if err := p.out.acquire(ctx); err != nil {
		return 0, fmt.Errorf("%s: %w", opWrite, err)
	}
	defer p.out.release()
	if err := p.ended(); err != nil {
		return 0, err
	}
	err = p.transmit(ctx, packets)
	bytes, p.told = p.sentBytes()-p.told, p.sentBytes()
	return bytes, err
}

// transmit writes packets. The caller holds the turn.
func (p *publisher) transmit(ctx context.Context, packets []media.Packet) error {
	p.out.backlog.busy.Store(true)
	defer p.out.backlog.busy.Store(false)
	p.out.follow(ctx)
	if err := p.out.settle(packets[0].DTS); err != nil {
		return p.explain(ctx, err)
	}
	b := p.out.begin()
	for i := range packets {
		pkt := &packets[i]
		if pkt.Extradata != nil {
			if err := p.tracks.reconfigure(pkt.Track, pkt.Extradata); err != nil {
				return &media.Error{Kind: media.KindInternal, Op: opWrite, Err: err}
			}
			*b = p.tracks.appendConfig(*b, &p.chunks, pkt.Track)
		}
		*b = p.tracks.appendPacket(*b, &p.chunks, pkt)
	}
	if err := p.out.flush(); err != nil {
		return p.explain(ctx, err)
	}
	return nil
}

func (p *publisher) check(packets []media.Packet) error {
	for i := range packets {
		switch pkt := &packets[i]; {
		case pkt.Track < 0 || pkt.Track >= len(p.tracks.list):
			return &media.Error{Kind: media.KindInternal, Op: opWrite, Err: fmt.Errorf("no track %d", pkt.Track)}
		case len(pkt.Data) > maxMessage-5:
			return &media.Error{Kind: media.KindInternal, Op: opWrite, Err: fmt.Errorf("packet of %d bytes", len(pkt.Data))}
		}
	}
	return nil
}

// endedByRoom is why the room has ended the session, or nil.
func (p *publisher) endedByRoom() error {
	if e := p.fault.Load(); e != nil {
		return e
	}
	return nil
}

// ended is nil while the session lasts.
func (p *publisher) ended() error {
	if err := p.endedByRoom(); err != nil {
		return err
	}
	if p.closed.Load() {
		return &media.Error{Kind: media.KindRoomClosed, Op: opWrite, Err: inWords(net.ErrClosed)}
	}
	return nil
}

// explain finds the reason of a failed write.
func (p *publisher) explain(ctx context.Context, err error) error {
	if e := p.ended(); e != nil {
		return e
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", opWrite, context.Cause(ctx))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.fail(&media.Error{Kind: media.KindRoomUnavailable, Op: opWrite, Err: errNotReading})
		return p.ended()
	}
	limit := time.NewTimer(wordsLimit)
	defer limit.Stop()
	select {
	case <-p.done:
	case <-ctx.Done():
	case <-limit.C:
	}
	p.fail(&media.Error{Kind: media.KindRoomClosed, Op: opWrite, Err: inWords(err)})
	return p.ended()
}

// fail ends the session with e, unless it has ended.
func (p *publisher) fail(e *media.Error) {
	p.fault.CompareAndSwap(nil, e)
	p.out.end()
}

// read serves the room until it ends the session or the connection is closed.
func (p *publisher) read() {
	defer close(p.done)
	for {
		c, err := p.in.Next()
		if err != nil {
			if !p.closed.Load() {
				p.fail(p.lost(opRead, media.KindRoomClosed, err))
			}
			return
		}
		st, refused := refusal(c)
		if refused {
			p.fail(p.room.asError(opRead, st, media.KindRoomClosed))
			return
		}
		p.note(c.Name, st)
	}
}

// Done implements media.Sink.
func (p *publisher) Done() <-chan struct{} { return p.done }

// Unconfirmed implements media.Sink.
func (p *publisher) Unconfirmed() time.Duration { return p.out.backlog.span() }

func (p *publisher) sentBytes() int64 { return int64(p.bytes.Writer.Count()) }

// Close implements media.Sink. It takes at most 300 ms, ends a running
// Write, and fails when the room was there but could not be told; the
// connection is closed in any case.
func (p *publisher) Close(ctx context.Context) error {
	p.closing.Do(func() { p.closeErr = p.shut(ctx) })
	return p.closeErr
}

func (p *publisher) shut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.conn.Close() })
	defer stop()

	p.closed.Store(true)
	p.out.end()
	told, err := p.unpublish(ctx)
	if told {
		// The room answers deleteStream by closing; closing first, with
		// something of it unread, could reset the connection and lose it.
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}
	_ = p.conn.Close()
	<-p.done
	return err
}

// unpublish tells the room, unless the session has ended before.
func (p *publisher) unpublish(ctx context.Context) (told bool, err error) {
	err = p.out.acquire(ctx)
	if err == nil {
		defer p.out.release()
		deadline, _ := ctx.Deadline()
		p.out.reopen(deadline)
		if p.fault.Load() != nil {
			return false, nil
		}
		err = p.close()
	}
	if err != nil && p.fault.Load() == nil {
		return false, &media.Error{Kind: media.KindRoomUnavailable, Op: opClose, Err: inWords(err)}
	}
	if half, ok := p.stream.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	return err == nil, nil
}
