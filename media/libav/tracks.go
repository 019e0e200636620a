package libav

// #include "demux.h"
import "C"

import (
	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// usable is a stream of a type whose parameters are known. A cover picture is
// no video.
func (c *container) usable(t astiav.MediaType) func(*astiav.Stream) bool {
	return func(st *astiav.Stream) bool {
		p, d := st.CodecParameters(), st.DispositionFlags()
		if p.MediaType() != t || p.CodecID() == astiav.CodecIDNone {
			return false
		}
		if t == astiav.MediaTypeAudio {
			return p.SampleRate() > 0 && c.channels(st) > 0
		}
		return p.Width() > 0 && p.Height() > 0 &&
			!d.Has(astiav.DispositionFlagAttachedPic) && !d.Has(astiav.DispositionFlagTimedThumbnails)
	}
}

// trackOf describes a stream as a track.
func (c *container) trackOf(m media.MediaType, stream *astiav.Stream) media.Track {
	if m == media.Video {
		return c.videoTrack(stream)
	}
	return c.audioTrack(stream)
}

const leftUnreadable = "unreadable"

func (c *container) leftOut(st *astiav.Stream) string {
	d := st.DispositionFlags()
	switch kind := st.CodecParameters().MediaType(); {
	case kind != astiav.MediaTypeVideo && kind != astiav.MediaTypeAudio:
		return typeOf(st)
	case d.Has(astiav.DispositionFlagAttachedPic) || d.Has(astiav.DispositionFlagTimedThumbnails):
		return "cover"
	case !c.usable(kind)(st):
		if c.bytes.counts.scrambled[st.ID()] {
			return media.LeftScrambled
		}
		return leftUnreadable
	}
	return "not chosen"
}

func (c *container) parameters(stream *astiav.Stream) C.rc_parameters {
	return C.rc_parameters_at(cFormat(c.format), C.int(stream.Index()))
}

func (c *container) channels(stream *astiav.Stream) int { return int(c.parameters(stream).channels) }

func (c *container) videoTrack(stream *astiav.Stream) media.Track {
	p := stream.CodecParameters()
	t := c.track(media.Video, stream)
	t.Width, t.Height = p.Width(), p.Height()
	t.FPS = frameRate(stream)
	if f := p.PixelFormat(); f != astiav.PixelFormatNone {
		t.PixelFormat = f.Name()
	}
	t.Pixels, t.PixelsFixed = c.pixels(stream)
	t.Mirrored, t.Rotation = upright(p)
	t.Interlaced = c.parameters(stream).interlaced != 0
	t.HDR = isHDR(p.ColorTransferCharacteristic())
	return t
}

func (c *container) audioTrack(stream *astiav.Stream) media.Track {
	p := stream.CodecParameters()
	t := c.track(media.Audio, stream)
	t.SampleRate, t.Channels = p.SampleRate(), c.channels(stream)
	return t
}

func (c *container) track(m media.MediaType, stream *astiav.Stream) media.Track {
	p, more := stream.CodecParameters(), c.parameters(stream)
	t := media.Track{
		Type:    m,
		Codec:   media.Codec(p.CodecID().Name()),
		Profile: p.ProfileName(),
		Bitrate: media.BitsPerSecond(p.BitRate()),
		DecoderHints: media.DecoderHints{
			BlockAlign: int(more.block_align), BitsPerSample: int(more.bits_per_sample), CodecTag: uint32(more.tag),
		},
	}
	if extra := p.ExtraData(); len(extra) > 0 {
		t.Extradata = extra
	}
	return t
}

// pixels is the shape of a stream's pixels: the container's word, which is then
// for good, else what its pictures say.
func (c *container) pixels(stream *astiav.Stream) (shape media.PixelShape, fixed bool) {
	r := c.format.GuessSampleAspectRatio(stream, nil)
	return media.PixelShape{Width: r.Num(), Height: r.Den()}, stream.SampleAspectRatio().Num() > 0
}

// frameRate is the average over the file, or libav's guess.
func frameRate(s *astiav.Stream) float64 {
	const most = 1000 // beyond it is a container's nonsense
	for _, r := range []astiav.Rational{s.AvgFrameRate(), s.RFrameRate()} {
		if r.Num() > 0 && r.Den() > 0 && r.Float64() <= most {
			return r.Float64()
		}
	}
	return 0
}
