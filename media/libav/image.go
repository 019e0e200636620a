package libav

// #include <libavutil/frame.h>
import "C"

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// imageFormats are the demuxers of pictures that stand.
var imageFormats = []string{"jpeg_pipe", "png_pipe", "webp_pipe"}

const (
	// imageInterval is how far apart a picture's packets are: viewers get one at
	// least once a second, whatever delays it on the way.
	imageInterval = 500 * time.Millisecond
	// mostImage is what a picture's file may have: as much as 17 million pixels
	// of a photo need in PNG. It is kept for as long as it stands.
	mostImage = 32 << 20
)

var (
	errImageBytes = media.Because(fmt.Sprintf("its picture has more than %d MiB", mostImage>>20), nil)
	errImage      = media.Sentence("the source is a picture that cannot be decoded: it is damaged, animated, or of a kind that is not known")
)

// image is a picture as a source: the same packet over and over, without an
// end. Its server has been left.
type image struct {
	// ctx is a field for the reason that life's is.
	ctx    context.Context
	closed atomic.Bool
	info   media.SourceInfo
	data   []byte
	next   time.Duration // of the next packet
}

var _ media.Source = (*image)(nil)

// isImage says whether the source is a picture that stands.
func (s *Source) isImage() bool { return slices.Contains(imageFormats, s.info.Container) }

// image reads the picture, for which s is closed.
func (s *Source) image(ctx context.Context) (media.Source, error) {
	i := &image{ctx: ctx}
	err := s.obeying(func() error { return s.readImage(i) })
	if err = cmp.Or(s.Close(), err); err != nil {
		return nil, err
	}
	return i, nil
}

func (s *Source) readImage(i *image) error {
	p, err := s.read()
	if err != nil {
		return s.failure(opProbe, err)
	}
	if len(p.Data) > mostImage {
		return &media.Error{Kind: media.KindSourceTooLarge, Op: opProbe, Err: errImageBytes}
	}
	if err := s.learnShape(p); err != nil {
		return err
	}
	track := s.videoTrack(s.format.Streams()[s.video])
	track.FPS = float64(time.Second) / float64(imageInterval)
	i.data = p.Data
	i.info = media.SourceInfo{Container: s.info.Container, Still: true, Tracks: []media.Track{track}}
	return nil
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
		return s.format.Streams()[s.video].CodecParameters().SideData().DisplayMatrix().Add(&matrix)
	}
	err := s.scope.run(func() error {
		d, err := newDecoder(s.info.Tracks[p.Track])
		if err != nil {
			return err
		}
		defer d.close()
		return errors.Join(d.decode(p, look), d.drain(look))
	})
	if err == nil {
		err = s.overspent(opProbe)
	}
	if err == nil && !decoded {
		err = &media.Error{Kind: media.KindSourceInvalid, Op: opProbe, Err: errImage}
	}
	return err
}

// Info returns what the picture turned out to be.
func (i *image) Info() media.SourceInfo { return i.info }

// Seek goes on with the packet that shows pos.
func (i *image) Seek(pos time.Duration) error {
	i.next = max(pos, 0).Truncate(imageInterval)
	return nil
}

// ReadPacket returns the picture, again and again. Its Data is the same each
// time, and nobody's to change.
func (i *image) ReadPacket() (media.Packet, error) {
	switch {
	case i.closed.Load():
		return media.Packet{}, fmt.Errorf("%s: %w", opRead, errClosed)
	case i.ctx.Err() != nil:
		return media.Packet{}, fmt.Errorf("%s: %w", opRead, context.Cause(i.ctx))
	}
	p := media.Packet{PTS: i.next, DTS: i.next, Duration: imageInterval, Keyframe: true, Data: i.data}
	i.next += imageInterval
	return p, nil
}

// Close ends the source.
func (i *image) Close() error {
	i.closed.Store(true)
	return nil
}
