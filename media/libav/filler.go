package libav

import (
	"errors"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// Black returns black video as to says: its track and one GOP of KeyInterval,
// which begins at zero and may be repeated for ever. Errors are *media.Error.
func (ts *Transcoders) Black(to media.VideoOutput) (media.Track, []media.Packet, error) {
	to, err := checkVideo(to)
	if err != nil {
		return media.Track{}, nil, err
	}
	// A GOP of one picture cannot follow itself: two IDR pictures in a row must
	// have different numbers (ITU-T H.264, 7.4.3, idr_pic_id).
	if to.KeyInterval.Seconds()*to.FPS < 2 {
		return media.Track{}, nil, outputError("a GOP of %v at %g fps", to.KeyInterval, to.FPS)
	}
	var gop []media.Packet
	s, track, err := newVideoStage(to, to.FPS, func(p media.Packet) { gop = append(gop, p) })
	if err == nil {
		defer s.close()
		err = encodeBlack(s.(*videoStage), to)
	}
	if err != nil {
		return media.Track{}, nil, &media.Error{Kind: media.KindInternal, Op: "encode black", Err: err}
	}
	return track, gop, nil
}

func encodeBlack(v *videoStage, to media.VideoOutput) error {
	f := astiav.AllocFrame()
	if f == nil {
		return errNoMemory
	}
	defer f.Free()
	f.SetWidth(to.Width)
	f.SetHeight(to.Height)
	f.SetPixelFormat(astiav.PixelFormatYuv420P)
	f.SetColorRange(astiav.ColorRangeMpeg)
	if err := errors.Join(f.AllocBuffer(0), f.ImageFillBlack()); err != nil {
		return err
	}
	for i := range int(to.KeyInterval.Seconds()*to.FPS + 0.001) {
		f.SetPts(int64(float64(i) * float64(time.Second) / to.FPS))
		if err := v.encode(f); err != nil {
			return err
		}
	}
	return nil
}
