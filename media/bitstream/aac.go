package bitstream

import (
	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

// ProfileHE is FFmpeg's name.
const ProfileHE = "HE-AAC"

// HighEfficiency says whether an AudioSpecificConfig tells of spectral band
// replication, which libav finds in the sound itself: the first packets may be
// silent and have none.
func HighEfficiency(config []byte) bool {
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
