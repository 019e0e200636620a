package bitstream

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/roomcast/roomcast/media"
)

// Difference says why t cannot go on where the room was told out; empty when it
// can. A room's picture keeps its size and shape, its sound the rate.
func Difference(out, t media.Track) string {
	switch {
	case t.Codec != out.Codec:
		return fmt.Sprintf("codec %s", t.Codec)
	case t.Width != out.Width || t.Height != out.Height:
		return fmt.Sprintf("size changed to %dx%d", t.Width, t.Height)
	case t.Pixels.Aspect() != out.Pixels.Aspect():
		return fmt.Sprintf("pixels changed to %s", t.Pixels)
	case t.SampleRate != out.SampleRate:
		return fmt.Sprintf("sample rate changed to %d Hz", t.SampleRate)
	case t.Channels != out.Channels && t.Channels > 0 && out.Channels > 0:
		return fmt.Sprintf("channels changed to %d", t.Channels)
	}
	return ""
}

// ShapeOf returns t as its own decoder configuration has it.
func ShapeOf(t media.Track) media.Track { return Configured(t, t.Extradata) }

// Configured returns t with what a decoder configuration in FLV's form says
// of it; what cannot be read leaves t as it is.
func Configured(t media.Track, config []byte) media.Track {
	t.Extradata = config
	if t.Type == media.Audio {
		var asc mpeg4audio.AudioSpecificConfig
		if err := asc.Unmarshal(config); err == nil {
			t.SampleRate, t.Channels = asc.SampleRate, int(asc.ChannelConfig) // 0: told elsewhere
		}
		return t
	}
	if sps, known := spsOf(config); known {
		t.Width, t.Height, t.Pixels = sps.Width(), sps.Height(), pixelsOf(sps)
	}
	return t
}
