package libav

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// guessed transcodes a clip whose container is said to have another frame rate.
func guessed(t *testing.T, path string, fps float64, to media.VideoOutput) recoded {
	t.Helper()
	in := read(t, path)
	track, _ := in.track(t, media.Video)
	track.FPS = fps
	tc := newVideo(t, track, to)
	out := recoded{tc.Output(), through(t, tc, in.of(t, media.Video))}
	out.check(t)
	return out
}

// noisy is a clip of six seconds that needs more than smallVideo's bit rate.
func noisy(t *testing.T, rate int) string {
	t.Helper()
	return made(t, fmt.Sprintf("noise%d.mp4", rate), "-f", "lavfi", "-i",
		fmt.Sprintf("testsrc2=size=320x180:rate=%d:duration=6,noise=alls=60:allf=t", rate), "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20")
}

func TestAWrongGuessOfTheRateChangesNothingThatViewersSee(t *testing.T) {
	for name, c := range map[string]struct {
		rate  int
		guess float64
		want  int // pictures a second
	}{
		"15 taken for 12":   {15, 12, 15},
		"30 taken for 5":    {30, 5, 30},
		"30 taken for 1":    {30, 1, 30},
		"24, unknown":       {24, 0, 24},
		"10 taken for 1000": {10, 1000, 10},
		"60 taken for 12":   {60, 12, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := guessed(t, noisy(t, c.rate), c.guess, smallVideo)
			require.Len(t, out.packets, 6*c.want)
			var keys []time.Duration
			total, begin := 0, 0
			for _, p := range out.packets {
				total += len(p.Data)
				if p.PTS < time.Second {
					begin += len(p.Data)
				}
				if p.Keyframe {
					keys = append(keys, p.PTS.Round(time.Second/10))
				}
			}
			require.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second}, keys)
			require.InEpsilon(t, 500_000, float64(total)*8/6, 0.2, "bits a second")
			require.Less(t, float64(begin)*8, 2*500_000., "bits of the first second")
			const level = 3 // of the avcC, as of its SPS
			require.Equal(t, guessed(t, noisy(t, c.rate), smallVideo.FPS, smallVideo).track.Extradata[level], out.track.Extradata[level],
				"the level allows for what may come")
		})
	}
}

func TestASourceWithAVaryingRateKeepsItsTimes(t *testing.T) {
	path := made(t, "varying.mp4", withArgs(testPicture(320, 180, 30, "4"), "-vf", "select='lt(mod(n,30),20)'", "-fps_mode", "passthrough", "-c:v", "libx264", "-bf", "0")...)
	in := read(t, path)
	track, _ := in.track(t, media.Video)
	out := guessed(t, path, track.FPS, smallVideo)
	var want, got []time.Duration
	for _, p := range in.of(t, media.Video) {
		want = append(want, p.PTS)
	}
	for _, p := range out.packets {
		got = append(got, p.PTS)
	}
	require.Len(t, want, 80)
	require.Equal(t, want, got)
}
