package media

import (
	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// isB says whether a unit of H.264 is a slice of a B-frame. Its type is the
// second number of its header (ITU-T H.264, 7.3.3 and table 7-6).
func isB(unit []byte) bool {
	const b, all = 1, 5 // types from 5 on say that all slices of the picture are alike
	if len(unit) == 0 {
		return false
	}
	switch h264.NALUType(unit[0] & 0x1f) {
	case h264.NALUTypeNonIDR, h264.NALUTypeDataPartitionA:
	default:
		return false
	}
	at := 8
	if _, err := bits.ReadGolombUnsigned(unit, &at); err != nil { // first_mb_in_slice
		return false
	}
	kind, err := bits.ReadGolombUnsigned(unit, &at)
	return err == nil && kind%all == b
}

// mayReorder says whether pictures of an avcC may be B-frames: what their encoder
// says, else what their profile allows.
func mayReorder(config []byte) bool {
	depth, told := ReorderH264(config)
	return !told || depth > 0
}

// ReorderH264 is by how many pictures those of an avcC are sent out of the order in
// which they are shown at most. It is false where neither their encoder (ITU-T H.264,
// E.2.1) nor their profile tells.
func ReorderH264(avcc []byte) (depth int, told bool) {
	sps, known := spsOf(avcc)
	if !known {
		return 0, false
	}
	if vui := sps.VUI; vui != nil && vui.BitstreamRestriction != nil {
		return int(vui.BitstreamRestriction.MaxNumReorderFrames), true
	}
	const baseline = 66 // A.2.1: no B slices
	return 0, sps.ProfileIdc == baseline
}
