package libav

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/asticode/go-astiav"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/still"
)

// #include <libavutil/frame.h>
import "C"

// imageFormats are the demuxers of pictures that stand.
var imageFormats = []string{"jpeg_pipe", "png_pipe", "webp_pipe"}

const (
	// mostImage is what a picture's file may have: as much as 17 million pixels
	// of a photo need in PNG. It is kept for as long as it stands.
	mostImage = 32 << 20
)

var (
	errImageBytes = media.Because(fmt.Sprintf("its picture has more than %d MiB", mostImage>>20), nil)
	errImage      = media.Sentence("the source is a picture that cannot be decoded: it is damaged, animated, or of a kind that is not known; save it as a PNG or JPEG, an animation as an mp4")
)

// image reads the picture, for which s is closed.
func (s *Source) image(ctx context.Context) (media.Source, error) {
	var standing media.Source
	err := s.alone(func() (err error) {
		standing, err = s.readImage(ctx)
		return err
	})
	if err = cmp.Or(s.Close(), err); err != nil {
		return nil, err
	}
	return standing, nil
}

func (s *Source) readImage(ctx context.Context) (media.Source, error) {
	p, err := s.read()
	if err != nil {
		return nil, s.container.failure(opProbe, err)
	}
	if len(p.Data) > mostImage {
		return nil, &media.Error{Kind: media.KindSourceTooLarge, Op: opProbe, Err: errImageBytes}
	}
	if err := s.learnShape(p); err != nil {
		return nil, err
	}
	t := s.container.videoTrack(s.container.format.Streams()[s.demuxer.roles.video])
	info := media.SourceInfo{Container: s.container.info.Container, Still: true, Tracks: []media.Track{t}}
	return still.New(ctx, info, p.Data), nil
}

// learnShape decodes the picture, and tells its stream how it has to be turned:
// its EXIF says so, which libav reads with it.
func (s *Source) learnShape(p media.Packet) error {
	decoded := false
	look := func(f *astiav.Frame) error {
		decoded = true
		side := C.av_frame_get_side_data(cFrame(f), C.AV_FRAME_DATA_DISPLAYMATRIX)
		if side == nil || side.size < C.size_t(unsafe.Sizeof(astiav.DisplayMatrix{})) {
			return nil
		}
		matrix := *(*astiav.DisplayMatrix)(unsafe.Pointer(side.data))
		return s.container.format.Streams()[s.demuxer.roles.video].CodecParameters().SideData().DisplayMatrix().Add(&matrix)
	}
	err := s.container.scope.run(func() error {
		d, err := newDecoder(s.demuxer.roles.tracks[p.Track])
		if err != nil {
			return err
		}
		defer d.close()
		return errors.Join(d.decode(p, look), d.drain(look))
	})
	if err == nil {
		err = s.container.overspent(opProbe)
	}
	if err == nil && !decoded {
		err = &media.Error{Kind: media.KindSourceInvalid, Op: opProbe, Err: errImage}
	}
	return err
}
