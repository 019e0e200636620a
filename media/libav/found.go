package libav

import (
	"time"
	"unsafe"

	"github.com/roomcast/roomcast/media/bitstream"
)

// #include "found.h"
import "C"

// libav opens a decoder for every stream, to find out what it is. Where the
// container or the stream says it, Go reads it, and no decoder is opened.

//export roomcastPicture
func roomcastPicture(data *C.uint8_t, size C.int, found *C.rc_found) C.int {
	config := bitstream.AVCC(C.GoBytes(unsafe.Pointer(data), size))
	t, sure := bitstream.DescribeH264(config)
	depth, told := bitstream.ReorderH264(config)
	if !sure || !told || !oneSet(config) {
		return 0
	}
	*found = C.rc_found{
		width: C.int(t.Width), height: C.int(t.Height),
		pixels_width: C.int(t.Pixels.Width), pixels_height: C.int(t.Pixels.Height),
		profile: profileH264(config), level: C.int(config[3]),
		reorder: C.int(depth), transfer: C.int(bitstream.TransferH264(config)),
	}
	for i, letter := range []byte(t.PixelFormat) { // "yuv422p10le" is the longest
		found.format[i] = C.char(letter)
	}
	return 1
}

// oneSet says whether an avcC has one sequence parameter set (ISO/IEC 14496-15,
// 5.3.3.1): which of several counts, only a picture tells.
func oneSet(avcc []byte) bool {
	const at, mask = 5, 0x1f
	return len(avcc) > at && avcc[at]&mask == 1
}

// profileH264 is libav's number of an avcC's profile: with the constraints that make
// another of it.
func profileH264(avcc []byte) C.int {
	const set1, set3 = 0x40, 0x10
	profile, constraints := C.int(avcc[1]), avcc[2]
	switch profile {
	case C.AV_PROFILE_H264_BASELINE:
		if constraints&set1 != 0 {
			profile |= C.AV_PROFILE_H264_CONSTRAINED
		}
	case C.AV_PROFILE_H264_HIGH_10, C.AV_PROFILE_H264_HIGH_422, C.AV_PROFILE_H264_HIGH_444_PREDICTIVE:
		if constraints&set3 != 0 {
			profile |= C.AV_PROFILE_H264_INTRA
		}
	}
	return profile
}

//export roomcastSound
func roomcastSound(data *C.uint8_t, size, adts C.int, found *C.rc_found) C.int {
	describe := bitstream.DescribeAAC
	if adts != 0 {
		describe = bitstream.DescribeADTS
	}
	t, packet, sure := describe(C.GoBytes(unsafe.Pointer(data), size))
	if !sure || t.Profile != "LC" { // what HE-AAC adds, its decoder tells
		return 0
	}
	samples := (packet*time.Duration(t.SampleRate) + time.Second/2) / time.Second
	*found = C.rc_found{
		rate: C.int(t.SampleRate), channels: C.int(t.Channels),
		samples: C.int(samples), profile: C.AV_PROFILE_AAC_LOW,
	}
	return 1
}
