package program

import (
	"cmp"

	"github.com/roomcast/roomcast/media"
)

// blackVideo is the picture that a room gets for a source without one.
var blackVideo = media.VideoOutput{Width: 640, Height: 360, FPS: 15, Bitrate: 100_000, KeyInterval: outputKeyInterval}

// black makes the output track of a source without video.
func black(ts media.Transcoders, r media.Rules, asked media.VideoOptions) (outputTrack, error) {
	if ts == nil {
		return nil, &media.Error{Kind: media.KindSourceUnsupported, Op: "plan", Err: media.Because("the worker cannot make the black picture that sound alone needs", nil)}
	}
	asked.FPS = cmp.Or(asked.FPS, blackVideo.FPS)
	track, group, err := ts.Black(videoOutput(r, media.Track{Width: blackVideo.Width, Height: blackVideo.Height}, asked))
	if err != nil {
		return nil, err
	}
	last := group[len(group)-1]
	return &filledTrack{out: track, group: group, span: last.DTS + last.Duration}, nil
}
