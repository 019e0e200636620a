package libav

import (
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// Black returns a track of black pictures and one group of its packets that
// can be sent over and over: times from zero, the keyframe first. Errors are
// *media.Error of KindInternal.
func (ts *Transcoders) Black(to media.VideoOutput) (media.Track, []media.Packet, error) {
	to, err := checkVideo(to)
	if err != nil {
		return media.Track{}, nil, err
	}
	s := ts.newScope()
	defer s.close()
	var track media.Track
	var group []media.Packet
	err = s.run(func() error {
		var err error
		track, group, err = black(to)
		return err
	})
	if err != nil {
		err = &media.Error{Kind: media.KindInternal, Op: "make black video", Err: err}
	}
	return track, group, err
}

func black(to media.VideoOutput) (media.Track, []media.Packet, error) {
	var group []media.Packet
	stage, track, err := newVideoStage(to, to, func(p media.Packet) { group = append(group, p) })
	if err != nil {
		return track, nil, err
	}
	defer stage.close()
	f := astiav.AllocFrame()
	if f == nil {
		return track, nil, errNoMemory
	}
	defer f.Free()
	f.SetWidth(to.Width)
	f.SetHeight(to.Height)
	f.SetPixelFormat(astiav.PixelFormatYuv420P)
	if err := f.AllocBuffer(0); err != nil {
		return track, nil, err
	}
	if err := f.ImageFillBlack(); err != nil {
		return track, nil, err
	}
	interval := time.Duration(float64(time.Second) / to.FPS)
	v := stage.(*videoStage)
	for at := time.Duration(0); at < to.KeyInterval; at += interval {
		f.SetPts(int64(at))
		if err := v.encode(f); err != nil {
			return track, nil, err
		}
	}
	return track, group, nil
}
