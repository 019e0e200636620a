package libav

// #include <libavcodec/avcodec.h>
import "C"

import (
	"bytes"
	"cmp"
	"errors"
	stdimage "image"
	"image/jpeg"
	"log/slog"
	"runtime"
	"syscall"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	// A preview is 320 pixels wide; one that would be over twice as high is
	// narrower.
	previewWidth  = 320
	previewHeight = 640
	// mostPreview is what a preview may have: somebody looks at many, every two
	// seconds.
	mostPreview = 30_000 // bytes
)

// previewQualities are tried until the picture is small enough; the last one is
// for noise.
var previewQualities = []int{75, 60, 40, 20, 5, 1}

// Previews makes small pictures of keyframes. It is safe for concurrent use.
type Previews struct{ log *slog.Logger }

// NewPreviews returns Previews; log receives what libav says at their work.
func NewPreviews(log *slog.Logger) *Previews {
	installLog()
	return &Previews{log: log}
}

// Picture returns k as a JPEG of at most 30 kB without metadata, 320 pixels wide,
// as its pixels are to be shown. Errors are *media.Error: KindSourceInvalid where
// k cannot be decoded.
func (ps *Previews) Picture(k media.Keyframe) ([]byte, error) {
	var small *stdimage.YCbCr
	err := yielding(func() (err error) {
		small, err = ps.small(k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return encodeJPEG(small)
}

// yielding calls f in a thread that gives way to all others, and returns its error.
func yielding(f func() error) error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		yieldThread()
		err = media.Caught(f)
	}()
	<-done
	return err
}

// yieldThread makes all that this goroutine does from now on give way to the
// pushes: its thread has the lowest priority, and ends with it. Go's own code is to
// be short there: the collector waits for it.
func yieldThread() {
	const lowest = 19
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowest) // of the calling thread
}

const opPreview = "make preview"

// small returns k in a preview's size.
func (ps *Previews) small(k media.Keyframe) (*stdimage.YCbCr, error) {
	sc := &scope{log: ps.log, chatty: true}
	sc.hush(true) // who plays it has warned
	sc.begin()
	defer sc.close()
	var small *stdimage.YCbCr
	err := sc.run(func() (err error) {
		small, err = decodeSmall(k)
		return err
	})
	if err == nil && small == nil {
		err = errors.New("nothing came out of the decoder")
	}
	if err != nil {
		return nil, &media.Error{Kind: media.KindSourceInvalid, Op: opPreview, Err: err}
	}
	return small, nil
}

// decodeSmall returns the picture in a preview's size, nil if there is none. The
// decoder lives for this picture: nothing is kept while nobody looks.
func decodeSmall(k media.Keyframe) (small *stdimage.YCbCr, err error) {
	d, err := newDecoder(media.Track{Type: media.Video, Codec: media.H264, Extradata: k.Config})
	if err != nil {
		return nil, err
	}
	defer d.close()
	d.c().skip_loop_filter = C.AVDISCARD_ALL // nobody sees blocks at a quarter of the size
	take := func(f *astiav.Frame) (err error) {
		if small == nil {
			small, err = shrink(f, newPicture(&d.info, d.track))
		}
		return err
	}
	err = d.decode(media.Packet{Keyframe: true, NoPTS: true, NoDTS: true, Data: k.Data}, take)
	return small, cmp.Or(err, d.drain(take))
}

// shrink returns f, which is shaped as p, in a preview's size.
func shrink(f *astiav.Frame, p picture) (*stdimage.YCbCr, error) {
	to := p.fit(media.VideoOutput{Width: previewWidth, Height: previewHeight})
	g, err := newVideoGraph(p.small(to), p)
	if err != nil {
		return nil, err
	}
	defer g.close()
	small := stdimage.NewYCbCr(stdimage.Rect(0, 0, to.width, to.height), stdimage.YCbCrSubsampleRatio420)
	return small, g.push(f, func(f *astiav.Frame) error {
		planes, err := f.Data().Bytes(1)
		if err != nil {
			return err
		}
		luma, chroma := planes[:len(small.Y)], planes[len(small.Y):]
		copy(small.Y, luma)
		copy(small.Cb, chroma)
		copy(small.Cr, chroma[len(small.Cb):])
		return nil
	})
}

var errPreviewSize = errors.New("its JPEG has too many bytes at any quality")

func encodeJPEG(m stdimage.Image) ([]byte, error) {
	var b bytes.Buffer
	for _, quality := range previewQualities {
		b.Reset()
		if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
			return nil, &media.Error{Kind: media.KindInternal, Op: opPreview, Err: err}
		}
		if b.Len() <= mostPreview {
			return b.Bytes(), nil
		}
	}
	return nil, &media.Error{Kind: media.KindInternal, Op: opPreview, Err: errPreviewSize}
}
