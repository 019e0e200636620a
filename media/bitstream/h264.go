package bitstream

import (
	"bytes"
	"encoding/binary"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"github.com/roomcast/roomcast/media"
)

// pixelShapes are those with a number of their own (ITU-T H.264, table E-1).
var pixelShapes = [...][2]int{
	1: {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11},
	{80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

// extendedSAR says that the shape follows (ITU-T H.264, E.2.1).
const extendedSAR = 255

// pixelsOf returns the shape that a sequence parameter set tells.
func pixelsOf(sps h264.SPS) media.PixelShape {
	v := sps.VUI
	switch {
	case v == nil || !v.AspectRatioInfoPresentFlag:
		return media.PixelShape{}
	case v.AspectRatioIdc == extendedSAR:
		return media.PixelShape{Width: int(v.SarWidth), Height: int(v.SarHeight)}
	case int(v.AspectRatioIdc) < len(pixelShapes):
		shape := pixelShapes[v.AspectRatioIdc]
		return media.PixelShape{Width: shape[0], Height: shape[1]}
	}
	return media.PixelShape{}
}

// LengthSize is how many bytes tell a unit's length, by an avcC (ISO/IEC
// 14496-15, 5.3.3.1); 0 when it cannot be read.
func LengthSize(config []byte) int {
	if len(config) < 5 {
		return 0
	}
	return int(config[4]&3) + 1
}

// ParameterSetsOf returns the parameter sets of an avcC (ISO/IEC 14496-15,
// 5.3.3.1) as units with lengths of four bytes, as far as they can be read.
func ParameterSetsOf(config []byte) []byte {
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

// MayReorder says whether pictures of an avcC may be B-frames: what their encoder
// says, else what their profile allows.
func MayReorder(config []byte) bool {
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

// NewSet says whether a picture of an avcC's form begins with a sequence parameter set
// that its configuration has not.
func NewSet(data, config []byte) bool {
	for size := LengthSize(config); size > 0 && len(data) > size; {
		unit, rest, ok := cutUnit(data, size)
		if !ok || len(unit) == 0 {
			return false
		}
		switch kind := h264.NALUType(unit[0] & 0x1f); {
		case kind == h264.NALUTypeSPS && !bytes.Contains(config, unit):
			return true
		case kind >= h264.NALUTypeNonIDR && kind <= h264.NALUTypeIDR:
			return false
		}
		data = rest
	}
	return false
}
