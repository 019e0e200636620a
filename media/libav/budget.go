package libav

// #cgo LDFLAGS: -Wl,--wrap=posix_memalign -Wl,--wrap=realloc -Wl,--wrap=free
// #cgo LDFLAGS: -Wl,--wrap=av_dict_set -Wl,--wrap=avcodec_open2 -Wl,--wrap=avcodec_is_open -Wl,--wrap=avcodec_send_packet -Wl,--wrap=avcodec_receive_frame -Wl,--wrap=avpriv_h264_has_num_reorder_frames -Wl,--wrap=av_parser_parse2 -Wl,--wrap=av_image_check_size2 -Wl,--wrap=av_index_search_timestamp -Wl,--wrap=av_add_index_entry -Wl,--wrap=avpriv_new_chapter -Wl,--wrap=ff_configure_buffers_for_index -Wl,--wrap=av_refstruct_alloc_ext_c
// #include "budget.h"
import "C"

import (
	"fmt"
	"slices"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// sizeless is a picture of which no size is known.
func sizeless(st *astiav.Stream) bool {
	p := st.CodecParameters()
	return p.MediaType() == astiav.MediaTypeVideo && p.Width() == 0 && !st.DispositionFlags().Has(astiav.DispositionFlagAttachedPic)
}

// mostStreams is how many tracks of a source are looked at.
const mostStreams = 64

var (
	// errMemory is for what is too much for any host: unlike media.ErrMemory, nobody else's.
	errMemory = media.Because(media.ErrMemory.Error(), nil)
	errEdits  = media.Because("its index or its edit list is too long to be worked through, or out of order", nil)
)

// errSize is a picture that is not decoded.
func errSize(width, height int, most C.int64_t) error {
	return media.Because(fmt.Sprintf("its picture has %d × %d pixels, and %d million are the most that is decoded of its kind", width, height, most/1_000_000), nil)
}

// overspent returns what the source wanted more of than it may have, nil for
// nothing.
func (c *container) overspent(op string) error {
	var err error
	switch c.scope.c.spent {
	case C.RC_SPENT_MEMORY:
		err = errMemory
	case C.RC_SPENT_SEARCHES:
		err = errEdits
	case C.RC_SPENT_ALL:
		return &media.Error{Kind: media.KindSourceTooLarge, Op: op, Err: media.ErrMemory}
	default:
		return nil
	}
	if op == opRead && time.Since(c.since) > longRead {
		return &media.Error{Kind: media.KindSourceUnavailable, Op: op, Err: errGrown}
	}
	return &media.Error{Kind: media.KindSourceTooLarge, Op: op, Err: err}
}

// longRead is for how long a source must have been read for what it has come to
// hold to be no fault of its: libav keeps an index of all fragments. It is opened
// anew where it stood.
const longRead = time.Minute

var errGrown = media.Because("it was read for so long that its index is opened anew", nil)

// tooLarge says that the picture of an index is, -1: that no picture is known. One
// that no decoder was allowed to take has no size of its own.
func (c *container) tooLarge(index int) error {
	streams := c.format.Streams()
	if index < 0 {
		index = slices.IndexFunc(streams, sizeless)
	}
	if index < 0 {
		return nil
	}
	p := streams[index].CodecParameters()
	width, height := max(p.Width(), 0), max(p.Height(), 0)
	if width == 0 {
		width, height = int(c.scope.c.width), int(c.scope.c.height)
	}
	most := C.rc_most_pixels(uint32(p.CodecID()))
	if C.int64_t(width*height) <= most {
		return nil
	}
	return &media.Error{Kind: media.KindSourceTooLarge, Op: opProbe, Err: errSize(width, height, most)}
}
