package media

import (
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// sameTrack says why t cannot go on where the room was told out; nil when it
// can. A room's picture keeps its size and shape, its sound the rate.
func sameTrack(out, t Track) error {
	switch {
	case t.Codec != out.Codec:
		return &planChange{fmt.Sprintf("codec %s", t.Codec)}
	case t.Width != out.Width || t.Height != out.Height:
		return &planChange{fmt.Sprintf("size changed to %dx%d", t.Width, t.Height)}
	case t.Pixels.Aspect() != out.Pixels.Aspect():
		return &planChange{fmt.Sprintf("pixels changed to %s", t.Pixels)}
	case t.SampleRate != out.SampleRate:
		return &planChange{fmt.Sprintf("sample rate changed to %d Hz", t.SampleRate)}
	case t.Channels != out.Channels && t.Channels > 0 && out.Channels > 0:
		return &planChange{fmt.Sprintf("channels changed to %d", t.Channels)}
	}
	return nil
}

// shape returns t as its own decoder configuration has it.
func (t Track) shape() Track { return t.configured(t.Extradata) }

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
	if sps, known := spsOf(config); known {
		t.Width, t.Height, t.Pixels = sps.Width(), sps.Height(), pixelsOf(sps)
	}
	return t
}

// profileHE is FFmpeg's name.
const profileHE = "HE-AAC"

// highEfficiency says whether an AudioSpecificConfig tells of spectral band
// replication, which libav finds in the sound itself: the first packets may be
// silent and have none.
func highEfficiency(config []byte) bool {
	var asc mpeg4audio.AudioSpecificConfig
	return asc.Unmarshal(config) == nil && (asc.ExtensionType != 0 || extended(config))
}

// extended says whether an AudioSpecificConfig of AAC-LC has an extension behind
// it that old decoders pass over (ISO/IEC 14496-3, 1.6.2.1: syncExtensionType,
// the type of spectral band replication, sbrPresentFlag).
func extended(config []byte) bool {
	const rateAt, ownRate, plain, ownRateBits = 5, 15, 16, 24
	at := rateAt
	rate, err := bits.ReadBits(config, &at, 4)
	if err != nil {
		return false
	}
	at = plain
	if rate == ownRate {
		at += ownRateBits
	}
	const syncTypePresent = 0x2b7<<6 | 5<<1 | 1
	found, err := bits.ReadBits(config, &at, 11+5+1)
	return err == nil && found == syncTypePresent
}

// lengthSize is how many bytes tell a unit's length, by an avcC (ISO/IEC
// 14496-15, 5.3.3.1); 0 when it cannot be read.
func lengthSize(config []byte) int {
	if len(config) < 5 {
		return 0
	}
	return int(config[4]&3) + 1
}

// parameterSetsOf returns the parameter sets of an avcC (ISO/IEC 14496-15,
// 5.3.3.1) as units with lengths of four bytes, as far as they can be read.
func parameterSetsOf(config []byte) []byte {
	var units []byte
	eachSet(config, func(unit []byte) {
		units = binary.BigEndian.AppendUint32(units, uint32(len(unit)))
		units = append(units, unit...)
	})
	return units
}

// spsOf returns the first sequence parameter set of an avcC, false when there is
// none that can be read.
func spsOf(config []byte) (sps h264.SPS, known bool) {
	var first []byte
	eachSet(config, func(unit []byte) {
		if first == nil && h264.NALUType(unit[0]&0x1f) == h264.NALUTypeSPS {
			first = unit
		}
	})
	err := sps.Unmarshal(first)
	return sps, err == nil
}

// eachSet calls f for each sequence and picture parameter set of an avcC.
func eachSet(config []byte, f func(unit []byte)) {
	const head = 5 // before the number of sequence parameter sets
	if len(config) <= head {
		return
	}
	rest := config[head:]
	for _, mask := range []byte{0x1f, 0xff} {
		if len(rest) == 0 {
			return
		}
		n := int(rest[0] & mask)
		for rest = rest[1:]; n > 0; n-- {
			if len(rest) < 2 {
				return
			}
			length := int(binary.BigEndian.Uint16(rest))
			if length == 0 || len(rest) < 2+length {
				return
			}
			f(rest[2 : 2+length])
			rest = rest[2+length:]
		}
	}
}
