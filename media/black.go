package media

import (
	"cmp"
)

// blackVideo is the picture that a room gets for a source without one.
var blackVideo = VideoOutput{Width: 640, Height: 360, FPS: 15, Bitrate: 100_000, KeyInterval: outputKeyInterval}

// black makes the lane of a source without video.
func (m *mixer) black(told Output) (lane, error) {
	if m.transcoders == nil {
		return nil, &Error{Kind: KindSourceUnsupported, Op: "plan", Err: Because("the worker cannot make the black picture that sound alone needs", nil)}
	}
	wish := m.videoWish(told)
	wish.FPS = cmp.Or(wish.FPS, blackVideo.FPS)
	track, group, err := m.transcoders.Black(videoOutput(m.rules, Track{Width: blackVideo.Width, Height: blackVideo.Height}, wish))
	if err != nil {
		return nil, err
	}
	last := group[len(group)-1]
	return &fillLane{out: track, group: group, span: last.DTS + last.Duration}, nil
}
