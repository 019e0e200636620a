package media

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"
)

// fakeSource plays a made-up clip: video at 25 fps with a keyframe a second,
// audio every 20 ms.
type fakeSource struct {
	ctx         context.Context
	info        SourceInfo
	reorder     bool
	reorderFrom time.Duration
	corruptFrom time.Duration // 0: never
	next        time.Duration
	failAt      time.Duration // 0: never
	err         error
	closed      bool
}

const (
	frame      = 40 * time.Millisecond
	audioFrame = 20 * time.Millisecond
)

func clip(length time.Duration) SourceInfo {
	return SourceInfo{Container: "mov", Duration: length, Tracks: []Track{
		{Type: Video, Codec: H264, Width: 640, Height: 360, PixelFormat: "yuv420p", Extradata: []byte{1, 66, 0, 30, 255, 225, 0}},
		{Type: Audio, Codec: AAC, SampleRate: 48000, Channels: 2, Extradata: []byte{0x11, 0x90}},
	}}
}

// stream is what libav calls live.
func stream(length time.Duration) SourceInfo {
	info := clip(length)
	info.Live = true
	return info
}

func (s *fakeSource) Info() SourceInfo { return s.info }

func (s *fakeSource) Close() error { s.closed = true; return nil }

func (s *fakeSource) Seek(pos time.Duration) error {
	if s.info.Live {
		return &Error{Kind: KindInternal, Op: "seek", Err: errors.ErrUnsupported}
	}
	s.next = pos.Truncate(time.Second)
	return nil
}

// ReadPacket returns video at multiples of frame, and audio between.
func (s *fakeSource) ReadPacket() (Packet, error) {
	for {
		p, err := s.read()
		track := slices.IndexFunc(s.info.Tracks, func(t Track) bool { return int(t.Type) == p.Track })
		if err != nil || track >= 0 {
			p.Track = track
			return p, err
		}
	}
}

func (s *fakeSource) read() (Packet, error) {
	if s.ctx.Err() != nil {
		return Packet{}, context.Cause(s.ctx)
	}
	if s.failAt > 0 && s.next >= s.failAt {
		return Packet{}, s.err
	}
	if s.next >= s.info.Duration {
		return Packet{}, io.EOF
	}
	at := s.next
	s.next += audioFrame
	if at%frame != 0 {
		return Packet{Track: 1, PTS: at, DTS: at, Duration: audioFrame, Data: []byte{0xaa}}, nil
	}
	p := Packet{Track: 0, PTS: at, DTS: at, Duration: frame, Keyframe: at%time.Second == 0, Data: []byte{0, 0, 0, 1, 0x65}}
	if s.reorder && at >= s.reorderFrom && at%(3*frame) == 0 {
		p.PTS += 3 * frame // shown after the two that follow
	}
	p.Corrupt = s.corruptFrom > 0 && at >= s.corruptFrom
	return p, nil
}

type openerFunc func(ctx context.Context, r SourceRequest) (Source, error)

func (f openerFunc) Open(ctx context.Context, r SourceRequest) (Source, error) { return f(ctx, r) }

// fragments gives out a clip as a fragmented file has it: all of one track for
// a while, then all of the other.
type fragments struct {
	*fakeSource
	length time.Duration
	sound  bool                // it comes first
	leave  func(p Packet) bool // packets that are not there; nil: all are
	rate   float64             // media per second of ours, half of it for each track; 0: at once
	ready  []Packet
	err    error
}

func (s *fragments) ReadPacket() (Packet, error) {
	for len(s.ready) == 0 && s.err == nil {
		s.fill()
	}
	if len(s.ready) == 0 {
		return Packet{}, s.err
	}
	p := s.ready[0]
	s.ready = s.ready[1:]
	if s.rate > 0 {
		select {
		case <-time.After(time.Duration(float64(p.Duration) / 2 / s.rate)):
		case <-s.ctx.Done():
			if p.Track == 0 {
				return Packet{}, context.Cause(s.ctx)
			}
		}
	}
	return p, nil
}

// fill reads a fragment.
func (s *fragments) fill() {
	from := s.next
	for s.next-from < s.length && s.err == nil {
		p, err := s.fakeSource.ReadPacket()
		if s.err = err; err == nil && (s.leave == nil || !s.leave(p)) {
			s.ready = append(s.ready, p)
		}
	}
	slices.SortStableFunc(s.ready, func(a, b Packet) int {
		if s.sound {
			return b.Track - a.Track
		}
		return a.Track - b.Track
	})
}
