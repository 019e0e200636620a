package still

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
)

// stillInterval is how far apart a standing picture's packets are: viewers get one at
// least once a second, whatever delays it on the way.
const stillInterval = 500 * time.Millisecond

// stillSource is a picture as a source: the same packet over and over, without an end.
type stillSource struct {
	// ctx is a field because the contract of Opener makes one context bound all calls
	// of a Source.
	ctx    context.Context
	closed atomic.Bool
	info   media.SourceInfo
	data   []byte
	next   time.Duration // of the next packet
}

var errClosed = errors.New("the source is closed")

// New returns the source of a picture that stands: data is its one packet, of
// info's one track.
func New(ctx context.Context, info media.SourceInfo, data []byte) media.Source {
	info.Tracks = slices.Clone(info.Tracks)
	info.Tracks[0].FPS = float64(time.Second) / float64(stillInterval)
	return &stillSource{ctx: ctx, info: info, data: data}
}

// Info returns what the picture turned out to be.
func (s *stillSource) Info() media.SourceInfo { return s.info }

// Seek goes on with the packet that shows pos.
func (s *stillSource) Seek(pos time.Duration) error {
	s.next = max(pos, 0).Truncate(stillInterval)
	return nil
}

// ReadPacket returns the picture, again and again. Its Data is the same each time,
// and nobody's to change.
func (s *stillSource) ReadPacket() (media.Packet, error) {
	const op = "read source"
	switch {
	case s.closed.Load():
		return media.Packet{}, fmt.Errorf("%s: %w", op, errClosed)
	case s.ctx.Err() != nil:
		return media.Packet{}, fmt.Errorf("%s: %w", op, context.Cause(s.ctx))
	}
	p := media.Packet{PTS: s.next, DTS: s.next, Duration: stillInterval, Keyframe: true, Data: s.data}
	s.next += stillInterval
	return p, nil
}

// Close ends the source.
func (s *stillSource) Close() error {
	s.closed.Store(true)
	return nil
}
