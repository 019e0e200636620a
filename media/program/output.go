package program

import (
	"cmp"
	"math"
	"time"

	"github.com/roomcast/roomcast/media"
)

// What re-encoded tracks are, where neither source nor request says otherwise.
const (
	outputFPS         = 30
	outputKeyInterval = 2 * time.Second
	outputSampleRate  = 48000
	outputChannels    = 2
	outputAudio       = 128_000 // bits per second
	minSide           = 16      // pixels: what an encoder takes
)

// ladder is the bit rate of a picture by its size at 30 frames a second; what
// lies between is in proportion to the pixels.
var ladder = []struct {
	pixels  int
	bitrate media.BitsPerSecond
}{
	{320 * 180, 300_000},
	{640 * 360, 800_000},
	{960 * 540, 1_200_000},
	{1280 * 720, 1_800_000},
	{1920 * 1080, 3_500_000},
}

// videoOutput says what t is re-encoded to: what was asked for, else the source's own
// shape and size within the room's, never enlarged. The source's frame rate
// decides nothing: it is a guess, and of a live source often a wrong one.
func videoOutput(r media.Rules, t media.Track, w media.VideoOptions) media.VideoOutput {
	width, height := shownSize(t)
	switch {
	case w.Width > 0 && w.Height > 0:
		width, height = w.Width, w.Height
	case w.Width > 0:
		width, height = w.Width, height*w.Width/max(width, 1)
	case w.Height > 0:
		width, height = width*w.Height/max(height, 1), w.Height
	}
	width, height = fit(r, width, height)
	o := media.VideoOutput{Width: width, Height: height, FPS: cmp.Or(w.FPS, outputFPS), Bitrate: w.Bitrate, KeyInterval: outputKeyInterval}
	if o.Bitrate == 0 {
		o.Bitrate = bitrateFor(width*height, o.FPS)
	}
	return o
}

// shownSize returns the size at which t is shown with square pixels, once it is
// turned. Its lines are kept.
func shownSize(t media.Track) (width, height int) {
	width, height = int(math.Round(float64(t.Width)*t.Pixels.Aspect())), t.Height
	if t.Rotation%180 != 0 {
		return height, width
	}
	return width, height
}

// fit brings a size within the room's limits, keeping its shape, and to even
// numbers: H.264's chroma has half of them.
func fit(r media.Rules, width, height int) (int, int) {
	scale := 1.0
	if long := max(width, height); r.MaxWidth > 0 && long > r.MaxWidth {
		scale = min(scale, float64(r.MaxWidth)/float64(long))
	}
	if short := min(width, height); r.MaxHeight > 0 && short > r.MaxHeight {
		scale = min(scale, float64(r.MaxHeight)/float64(short))
	}
	even := func(n int) int { return max(int(math.Round(float64(n)*scale))&^1, minSide) }
	return even(width), even(height)
}

// bitrateFor looks a picture up in the ladder. Half the frames need more than
// half the bits.
func bitrateFor(pixels int, fps float64) media.BitsPerSecond {
	rate := float64(ladder[0].bitrate)
	for i, step := range ladder {
		if pixels >= step.pixels {
			rate = float64(step.bitrate)
			continue
		}
		if i > 0 {
			below := ladder[i-1]
			part := float64(pixels-below.pixels) / float64(step.pixels-below.pixels)
			rate = float64(below.bitrate) + part*float64(step.bitrate-below.bitrate)
		}
		break
	}
	return media.BitsPerSecond(rate * max(0.5, math.Sqrt(fps/outputFPS)))
}

// audioOutput says what audio is re-encoded to.
func audioOutput(w media.AudioOptions) media.AudioOutput {
	o := media.AudioOutput{SampleRate: outputSampleRate, Channels: outputChannels, Bitrate: w.Bitrate, Volume: w.Percent()}
	if o.Bitrate == 0 {
		o.Bitrate = outputAudio
	}
	return o
}
