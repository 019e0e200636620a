package libav

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// whole is a white picture of 180x144 with pixels of this shape.
func whole(sar string) []string {
	return []string{"-f", "lavfi", "-i", "color=white:size=180x144:rate=10:duration=1,setsar=" + sar}
}

// requireLit requires the rectangle of a picture to be white and the rest black.
func requireLit(t *testing.T, picture []byte, width int, lit [4]int) {
	t.Helper()
	x, y, w, h := lit[0], lit[1], lit[2], lit[3]
	height := len(picture) / width
	require.Greater(t, mean(picture, width, x, y, w, h), 230.0)
	require.InDelta(t, 255*float64(w*h)/float64(width*height), mean(picture, width, 0, 0, width, height), 4)
}

func TestPixelsThatAreNotSquareLeaveNoBars(t *testing.T) {
	h264 := made(t, "pal.mp4", withArgs(whole("64/45"), "-c:v", "libx264")...)
	square := made(t, "square.mp4", withArgs(whole("1"), "-c:v", "libx264")...)
	for file, c := range map[string]struct {
		args          []string
		pixels        media.PixelShape
		width, height int // as they are shown
	}{
		"pal.ts":       {withArgs(whole("64/45"), "-c:v", "mpeg2video"), media.PixelShape{Width: 64, Height: 45}, 256, 144},
		"pal.mpg":      {withArgs(whole("64/45"), "-c:v", "mpeg2video"), media.PixelShape{Width: 64, Height: 45}, 256, 144},
		"pal-hevc.mp4": {withArgs(whole("64/45"), "-c:v", "libx265", "-x265-params", "log-level=none"), media.PixelShape{Width: 64, Height: 45}, 256, 144},
		"narrow.ts":    {withArgs(whole("8/9"), "-c:v", "libx264"), media.PixelShape{Width: 8, Height: 9}, 160, 144},
		"turned.mp4":   {[]string{"-i", h264, "-c", "copy", "-metadata:s:v", "rotate=90"}, media.PixelShape{Width: 64, Height: 45}, 144, 256},
		// The container is believed before its pictures.
		"container.mkv": {[]string{"-i", square, "-c", "copy", "-aspect", "16:9"}, media.PixelShape{Width: 64, Height: 45}, 256, 144},
		"container.mp4": {[]string{"-i", square, "-c", "copy", "-aspect", "16:9"}, media.PixelShape{Width: 64, Height: 45}, 256, 144},
		"nonsense.ts": {[]string{"-i", square, "-c", "copy", "-bsf:v", "h264_metadata=sample_aspect_ratio=50/1"},
			media.PixelShape{Width: 50, Height: 1}, 180, 144},
	} {
		t.Run(file, func(t *testing.T) {
			path := made(t, "pixels-"+file, c.args...)
			in := read(t, path)
			require.Equal(t, c.pixels, in.info.Tracks[0].Pixels)
			to := smallVideo
			to.Width, to.Height = c.width, c.height
			out := video(t, path, to)
			require.Equal(t, "1:1", probeVideo(t, out).SAR)
			requireLit(t, grey(t, flv(t, out), c.width, c.height)[3], c.width, [4]int{0, 0, c.width, c.height})
		})
	}
}

func TestPixelsThatChangeInMidStreamKeepTheSize(t *testing.T) {
	for _, codec := range []string{"mpeg2video", "libx264"} {
		t.Run(codec, func(t *testing.T) {
			first := read(t, made(t, codec+"-1.ts", withArgs(whole("1"), "-c:v", codec)...))
			second := read(t, made(t, codec+"-2.ts", withArgs(whole("64/45"), "-c:v", codec)...))
			after := second.of(t, media.Video)
			for i := range after {
				after[i].PTS += time.Second
				after[i].DTS += time.Second
			}
			track, _ := first.track(t, media.Video)
			to := smallVideo
			to.Width, to.Height = 180, 144
			tc := newVideo(t, track, to)
			out := recoded{tc.Output(), through(t, tc, append(first.of(t, media.Video), after...))}
			out.check(t)
			pictures := grey(t, flv(t, out), 180, 144)
			requireLit(t, pictures[3], 180, [4]int{0, 0, 180, 144})
			requireLit(t, pictures[len(pictures)-3], 180, [4]int{0, 20, 180, 102})
		})
	}
}
