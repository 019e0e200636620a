package libav

// #cgo pkg-config: libavformat libavcodec libavutil
// #include <libavcodec/avcodec.h>
// #include <libavformat/avformat.h>
// #include <libavutil/avutil.h>
import "C"

import (
	"fmt"
	"strings"
)

// FFmpeg is the release series go-astiav v0.43 is written for.
const FFmpeg = "9.0"

// The library majors of that series.
const (
	wantFormat = 63
	wantCodec  = 63
	wantUtil   = 61
)

// Version returns the version of the linked FFmpeg, as it names itself.
func Version() string { return C.GoString(C.av_version_info()) }

// CheckLinked returns an error when a linked library is not of the major that
// go-astiav and this package were written for, or could open an address by itself.
func CheckLinked() error {
	for _, lib := range []struct {
		name string
		want uint
		got  uint
	}{
		{"libavformat", wantFormat, uint(C.avformat_version()) >> 16},
		{"libavcodec", wantCodec, uint(C.avcodec_version()) >> 16},
		{"libavutil", wantUtil, uint(C.avutil_version()) >> 16},
	} {
		if lib.got != lib.want {
			return fmt.Errorf("linked %s has major %d, FFmpeg %s has %d: build with what make env prints",
				lib.name, lib.got, FFmpeg, lib.want)
		}
	}
	if there := protocols(); len(there) > 0 {
		return fmt.Errorf("linked libavformat opens %s by itself: build with what make env prints", strings.Join(there, ", "))
	}
	return nil
}
