package media

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// sameTrack says why t cannot go on where the room was told out; nil when it
// can. A room's picture keeps its size, its sound the rate.
func sameTrack(out, t Track) error {
	switch {
	case t.Codec != out.Codec:
		return &planChange{fmt.Sprintf("codec %s", t.Codec)}
	case t.Width != out.Width || t.Height != out.Height:
		return &planChange{fmt.Sprintf("size changed to %dx%d", t.Width, t.Height)}
	case t.SampleRate != out.SampleRate:
		return &planChange{fmt.Sprintf("sample rate changed to %d Hz", t.SampleRate)}
	case t.Channels != out.Channels && t.Channels > 0 && out.Channels > 0:
		return &planChange{fmt.Sprintf("channels changed to %d", t.Channels)}
	}
	return nil
}

// configured returns t with what a decoder configuration in FLV's form says
// of it; what cannot be read leaves t as it is.
func (t Track) configured(config []byte) Track {
	t.Extradata = config
	if t.Type == Audio {
		var asc mpeg4audio.AudioSpecificConfig
		if err := asc.Unmarshal(config); err == nil {
			t.SampleRate, t.Channels = asc.SampleRate, int(asc.ChannelConfig) // 0: told elsewhere
		}
		return t
	}
	var sps h264.SPS
	if err := sps.Unmarshal(firstSPS(config)); err == nil {
		t.Width, t.Height = sps.Width(), sps.Height()
	}
	return t
}

// firstSPS returns the first sequence parameter set of an avcC (ISO/IEC
// 14496-15, 5.3.3.1), nil when there is none.
func firstSPS(config []byte) []byte {
	const head = 8 // up to and with the length of the first set
	if len(config) < head || config[5]&0x1f == 0 {
		return nil
	}
	length := int(config[6])<<8 | int(config[7])
	if len(config) < head+length {
		return nil
	}
	return config[head : head+length]
}
