package libav

// #cgo LDFLAGS: -Wl,--wrap=posix_memalign -Wl,--wrap=realloc -Wl,--wrap=free
// #cgo LDFLAGS: -Wl,--wrap=av_dict_set -Wl,--wrap=avcodec_open2 -Wl,--wrap=av_image_check_size2 -Wl,--wrap=av_index_search_timestamp
// #include "budget.h"
import "C"

import (
	"errors"
	"fmt"
	"slices"

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
	errMemory = errors.New("its tables and pictures need more memory than one source may have; is it damaged?")
	errEdits  = errors.New("its edit list is too long")
)

// errSize is a picture that is not decoded.
func errSize(width, height int) error {
	return fmt.Errorf("its picture has %d × %d pixels, and %d million are the most that is decoded", width, height, C.RC_MOST_PIXELS/1_000_000)
}

// overspent returns what the source wanted more of than it may have, nil for
// nothing.
func (s *Source) overspent(op string) error {
	var err error
	switch s.scope.c.spent {
	case C.RC_SPENT_MEMORY:
		err = errMemory
	case C.RC_SPENT_SEARCHES:
		err = errEdits
	default:
		return nil
	}
	return &media.Error{Kind: media.KindSourceTooLarge, Op: op, Err: err}
}

// tooLarge says that the picture is. One that no decoder was allowed to take has
// no size of its own.
func (s *Source) tooLarge() error {
	var width, height int
	switch {
	case s.video >= 0:
		p := s.format.Streams()[s.video].CodecParameters()
		width, height = p.Width(), p.Height()
	case slices.ContainsFunc(s.format.Streams(), sizeless):
		width, height = int(s.scope.c.width), int(s.scope.c.height)
	}
	if width*height <= C.RC_MOST_PIXELS {
		return nil
	}
	return &media.Error{Kind: media.KindSourceTooLarge, Op: opProbe, Err: errSize(width, height)}
}
