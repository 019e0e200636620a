package program

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/roomcast/roomcast/media"
)

// One AAC-LC frame of silence, 48 kHz stereo, as FLV carries it, and the
// AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) it goes with, which is the one
// of re-encoded audio of that form.
const (
	SilentAAC         = "\x21\x10\x04\x60\x8c\x1c"
	SilentAACConfig   = "\x11\x90\x56\xe5\x00"
	SilentAACDuration = 1024 * time.Second / 48000
)

// SilentAACMono is SilentAAC of one channel.
const SilentAACMono = "\x01\x18\x20\x07"

// silence makes an output track of it. A frame without a coefficient is the same at
// every sample rate.
func silence(to media.AudioOutput) *filledTrack {
	data, config := SilentAAC, []byte(SilentAACConfig)
	if to.Channels == 1 {
		data = SilentAACMono
	}
	if to.SampleRate != outputSampleRate || to.Channels != outputChannels {
		c := mpeg4audio.AudioSpecificConfig{
			Type: mpeg4audio.ObjectTypeAACLC, SampleRate: to.SampleRate, ChannelConfig: uint8(to.Channels),
		}
		config, _ = c.Marshal() // one of one or two channels always does
	}
	span := 1024 * time.Second / time.Duration(to.SampleRate)
	return &filledTrack{
		out: media.Track{
			Type: media.Audio, Codec: media.AAC, Profile: "LC", SampleRate: to.SampleRate, Channels: to.Channels, Extradata: config,
		},
		group: []media.Packet{{Duration: span, Keyframe: true, Data: []byte(data)}},
		span:  span,
	}
}
