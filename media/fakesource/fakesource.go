package fakesource

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Source plays a made-up clip: video at 25 fps with a keyframe a second,
// audio every 20 ms.
type Source struct {
	Ctx         context.Context
	Of          media.SourceInfo
	Reorder     bool
	ReorderFrom time.Duration
	CorruptFrom time.Duration // 0: never
	Next        time.Duration
	FailAt      time.Duration // 0: never
	Err         error
	Closed      bool
}

const (
	Frame      = 40 * time.Millisecond
	AudioFrame = 20 * time.Millisecond
)

func Clip(length time.Duration) media.SourceInfo {
	return media.SourceInfo{Container: "mov", Duration: length, Tracks: []media.Track{
		{Type: media.Video, Codec: media.H264, Width: 640, Height: 360, PixelFormat: "yuv420p", Extradata: []byte{1, 66, 0, 30, 255, 225, 0}},
		{Type: media.Audio, Codec: media.AAC, SampleRate: 48000, Channels: 2, Extradata: []byte{0x11, 0x90}},
	}}
}

// Stream is what libav calls live.
func Stream(length time.Duration) media.SourceInfo {
	info := Clip(length)
	info.Live = true
	return info
}

func (s *Source) Info() media.SourceInfo { return s.Of }

func (s *Source) Close() error { s.Closed = true; return nil }

func (s *Source) Seek(pos time.Duration) error {
	if s.Of.Live {
		return &media.Error{Kind: media.KindInternal, Op: "seek", Err: errors.ErrUnsupported}
	}
	s.Next = pos.Truncate(time.Second)
	return nil
}

// ReadPacket returns video at multiples of frame, and audio between.
func (s *Source) ReadPacket() (media.Packet, error) {
	for {
		p, err := s.read()
		track := slices.IndexFunc(s.Of.Tracks, func(t media.Track) bool { return int(t.Type) == p.Track })
		if err != nil || track >= 0 {
			p.Track = track
			return p, err
		}
	}
}

func (s *Source) read() (media.Packet, error) {
	if s.Ctx.Err() != nil {
		return media.Packet{}, context.Cause(s.Ctx)
	}
	if s.FailAt > 0 && s.Next >= s.FailAt {
		return media.Packet{}, s.Err
	}
	if s.Next >= s.Of.Duration {
		return media.Packet{}, io.EOF
	}
	at := s.Next
	s.Next += AudioFrame
	if at%Frame != 0 {
		return media.Packet{Track: 1, PTS: at, DTS: at, Duration: AudioFrame, Data: []byte{0xaa}}, nil
	}
	p := media.Packet{Track: 0, PTS: at, DTS: at, Duration: Frame, Keyframe: at%time.Second == 0, Data: []byte{0, 0, 0, 1, 0x65}}
	if s.Reorder && at >= s.ReorderFrom && at%(3*Frame) == 0 {
		p.PTS += 3 * Frame // shown after the two that follow
	}
	p.Corrupt = s.CorruptFrom > 0 && at >= s.CorruptFrom
	return p, nil
}

type OpenerFunc func(ctx context.Context, r media.SourceRequest) (media.Source, error)

func (f OpenerFunc) Open(ctx context.Context, r media.SourceRequest) (media.Source, error) {
	return f(ctx, r)
}

// Opener opens what open gives, whatever it is asked for.
func Opener(open func(ctx context.Context) (media.Source, error)) OpenerFunc {
	return func(ctx context.Context, _ media.SourceRequest) (media.Source, error) { return open(ctx) }
}

// Fragments gives out a clip as a fragmented file has it: all of one track for
// a while, then all of the other.
type Fragments struct {
	*Source
	Length time.Duration
	Sound  bool                      // it comes first
	Leave  func(p media.Packet) bool // packets that are not there; nil: all are
	Rate   float64                   // media per second of ours, half of it for each track; 0: at once
	ready  []media.Packet
	err    error
}

func (s *Fragments) ReadPacket() (media.Packet, error) {
	for len(s.ready) == 0 && s.err == nil {
		s.fill()
	}
	if len(s.ready) == 0 {
		return media.Packet{}, s.err
	}
	p := media.TakeFirst(&s.ready)
	if s.Rate > 0 {
		select {
		case <-time.After(time.Duration(float64(p.Duration) / 2 / s.Rate)):
		case <-s.Ctx.Done():
			if p.Track == 0 {
				return media.Packet{}, context.Cause(s.Ctx)
			}
		}
	}
	return p, nil
}

// fill reads a fragment.
func (s *Fragments) fill() {
	from := s.Next
	for s.Next-from < s.Length && s.err == nil {
		p, err := s.Source.ReadPacket()
		if s.err = err; err == nil && (s.Leave == nil || !s.Leave(p)) {
			s.ready = append(s.ready, p)
		}
	}
	slices.SortStableFunc(s.ready, func(a, b media.Packet) int {
		if s.Sound {
			return b.Track - a.Track
		}
		return a.Track - b.Track
	})
}
