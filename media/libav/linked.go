package libav

// #cgo pkg-config: libavfilter
// #include <libavcodec/avcodec.h>
// #include <libavcodec/bsf.h>
// #include <libavfilter/avfilter.h>
// #include <libavformat/avformat.h>
import "C"

import "unsafe"

// These are all that the linked FFmpeg has of a kind, by FFmpeg's own names.

func protocols() []string {
	in := all(func(at *unsafe.Pointer) *C.char { return C.avio_enum_protocols(at, 0) }, func(name *C.char) *C.char { return name })
	out := all(func(at *unsafe.Pointer) *C.char { return C.avio_enum_protocols(at, 1) }, func(name *C.char) *C.char { return name })
	return append(in, out...)
}

func demuxers() []string {
	return all(func(at *unsafe.Pointer) *C.AVInputFormat { return C.av_demuxer_iterate(at) }, func(f *C.AVInputFormat) *C.char { return f.name })
}

func muxers() []string {
	return all(func(at *unsafe.Pointer) *C.AVOutputFormat { return C.av_muxer_iterate(at) }, func(f *C.AVOutputFormat) *C.char { return f.name })
}

func bitstreamFilters() []string {
	return all(func(at *unsafe.Pointer) *C.AVBitStreamFilter { return C.av_bsf_iterate(at) }, func(f *C.AVBitStreamFilter) *C.char { return f.name })
}

func filters() []string {
	return all(func(at *unsafe.Pointer) *C.AVFilter { return C.av_filter_iterate(at) }, func(f *C.AVFilter) *C.char { return f.name })
}

// parsers are named for the first codec that they take.
func parsers() []string {
	return all(func(at *unsafe.Pointer) *C.AVCodecParser { return C.av_parser_iterate(at) },
		func(p *C.AVCodecParser) *C.char { return C.avcodec_get_name(p.codec_ids[0]) })
}

// all goes through one of libav's lists.
func all[T any](next func(*unsafe.Pointer) *T, name func(*T) *C.char) []string {
	var at unsafe.Pointer
	var names []string
	for one := next(&at); one != nil; one = next(&at) {
		names = append(names, C.GoString(name(one)))
	}
	return names
}

// configuration is what FFmpeg's configure was called with.
func configuration() string { return C.GoString(C.avformat_configuration()) }
