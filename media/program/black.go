package program

import (
	"cmp"

	"github.com/roomcast/roomcast/media"
)

// blackVideo is the picture that a room gets for a source without one.
var blackVideo = media.VideoOutput{Width: 640, Height: 360, FPS: 15, Bitrate: 100_000, KeyInterval: outputKeyInterval}

// black makes the output track of a source without video.
func (pg *Program) black(told media.Output) (outputTrack, error) {
	if pg.Transcoders == nil {
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: "plan", Err: media.Because("the worker cannot make the black picture that sound alone needs", nil)}
	}
	wish := pg.videoWish(told)
	wish.FPS = cmp.Or(wish.FPS, blackVideo.FPS)
	track, group, err := pg.Transcoders.Black(videoOutput(pg.Rules, media.Track{Width: blackVideo.Width, Height: blackVideo.Height}, wish))
	if err != nil {
		return nil, err
	}
	last := group[len(group)-1]
	return &filledTrack{out: track, group: group, span: last.DTS + last.Duration}, nil
}
