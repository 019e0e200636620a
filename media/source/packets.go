package source

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

const defaultProbeTime = 15 * time.Second

var errClosed = errors.New("source closed")

// forward are the parts of media.Bytes that are alike of all live sources: they have no
// end and cannot be sought.
type forward struct{}

func (forward) Seek(int64, int) (int64, error) { return 0, errNotSought }
func (forward) Seekable() bool                 { return false }
func (forward) Size() int64                    { return -1 }

// stream is a live source as one row of bytes, for libav.
type stream struct {
	forward
	next    func() ([]byte, error) // some more of them
	rest    []byte
	failure error
}

// Read is io.Reader's.
func (b *stream) Read(to []byte) (int, error) {
	for len(b.rest) == 0 {
		var err error
		if b.rest, err = b.next(); err != nil {
			b.failure = refused(err)
			return 0, err
		}
	}
	n := copy(to, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *stream) refusal() error { return b.failure }

// refused is the end of a source's bytes, where that is more than their end: libav tells
// it less well.
func refused(err error) error {
	if _, told := errors.AsType[*media.Error](err); told {
		return err
	}
	return nil
}

// life is the span of a live source: from its opening to Close, or to the end of the
// context or the time that it was opened with.
type life struct {
	ctx    context.Context // for the reason that media.Source's contract has
	cancel context.CancelCauseFunc
	probe  *time.Timer
}

func newLife(ctx context.Context, limit time.Duration) *life {
	ctx, cancel := context.WithCancelCause(ctx)
	return &life{ctx: ctx, cancel: cancel, probe: time.AfterFunc(cmp.Or(limit, defaultProbeTime), func() { cancel(media.ErrProbe) })}
}

// openLive opens a live source: one whose protocol gives packets, which are made in
// Go, or one of bytes.
func (o *Opener) openLive(ctx context.Context, r media.SourceRequest, open liveOpener) (media.Source, error) {
	l := newLife(ctx, r.ProbeTimeout)
	way, err := open(l.ctx, o.Network, r)
	inTime := l.probe.Stop()
	if err == nil && !inTime {
		<-l.ctx.Done() // the timer's func is running, and ends what is open
		if way.Close != nil {
			way.Close()
		}
		err = media.Interrupted(l.ctx, opOpen)
	}
	if err != nil {
		err = cmp.Or(media.Interrupted(l.ctx, opOpen), err)
		l.cancel(err)
		return nil, err
	}
	if way.Source != nil {
		return &packets{Source: way.Source, life: l, end: way.Close, delay: clock.SoundDelay{By: r.AudioDelay}}, nil
	}
	end := way.Close
	way.Close = func() {
		l.cancel(errClosed)
		if end != nil {
			end()
		}
	}
	return o.Demuxer.Demux(l.ctx, r, way)
}

// packets is a source whose packets are made in Go.
type packets struct {
	media.Source
	life  *life
	end   func()
	delay clock.SoundDelay
	busy  sync.Mutex // held while a packet is read
	once  sync.Once
}

// ReadPacket returns the next packet, with the delay of the sound.
func (m *packets) ReadPacket() (media.Packet, error) {
	m.busy.Lock()
	defer m.busy.Unlock()
	tracks := m.Info().Tracks
	var p media.Packet
	var err error
	if !m.delay.Counts(tracks) {
		p, err = m.Source.ReadPacket()
	} else {
		p, err = m.delay.Read(m.Source.ReadPacket, func(p media.Packet) media.MediaType { return tracks[p.Track].Type })
	}
	if err != nil {
		err = cmp.Or(media.Interrupted(m.life.ctx, opRead), err)
	}
	return p, err
}

// Close ends the connection, and waits for a read to end.
func (m *packets) Close() error {
	m.once.Do(func() {
		m.life.cancel(errClosed)
		_ = m.Source.Close()
		m.busy.Lock()
		defer m.busy.Unlock()
		if m.end != nil {
			m.end()
		}
	})
	return nil
}
