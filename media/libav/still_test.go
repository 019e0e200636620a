package libav

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// repeated asks for the picture at these seconds.
func repeated(t *testing.T, tc media.Transcoder, seconds ...float64) (out []media.Packet) {
	t.Helper()
	for _, at := range seconds {
		got, err := tc.Repeat(time.Duration(at * float64(time.Second)))
		require.NoError(t, err)
		out = append(out, got...)
	}
	return out
}

func shownAt(packets []media.Packet) (seconds []float64) {
	for _, p := range packets {
		seconds = append(seconds, p.PTS.Seconds())
	}
	return seconds
}

// distance is the mean difference of two pictures.
func distance(a, b []byte) float64 {
	sum := 0.0
	for i := range a {
		sum += math.Abs(float64(a[i]) - float64(b[i]))
	}
	return sum / float64(len(a))
}

func TestAPictureIsShownAgainWithKeyframesByTime(t *testing.T) {
	in := read(t, made(t, "h264.mp4", withArgs(testPicture(320, 180, 25, "2"), "-c:v", "libx264", "-bf", "3")...))
	track, _ := in.track(t, media.Video)
	tc := newVideo(t, track, smallVideo)
	require.Empty(t, repeated(t, tc, 1), "there is none")
	out := through(t, tc, in.of(t, media.Video))
	tc.SkipFrom(7500 * time.Millisecond)
	again := repeated(t, tc, 1, 1.96, 3, 4, 3.5, 5, 6, 7, 8)
	require.Equal(t, []float64{3, 4, 5, 6, 7}, shownAt(again), "in order, and not behind the end")
	out = append(out, again...)
	tc.SkipFrom(0)
	later := in.of(t, media.Video)
	for i := range later {
		later[i].PTS += 7200 * time.Millisecond
		later[i].DTS += 7200 * time.Millisecond
	}
	out = append(out, through(t, tc, later)...)
	r := recoded{tc.Output(), out}
	r.check(t)
	require.Len(t, out, 50+5+50)
	key := time.Duration(0)
	for _, p := range out {
		if p.Keyframe {
			key = p.PTS
		}
		require.LessOrEqual(t, p.PTS-key, smallVideo.KeyInterval)
	}
	seen := grey(t, flv(t, r), 320, 180)
	require.Len(t, seen, 105, "all decode without a word")
}

func TestThePictureThatStandsWhereASeekLeadsIsShown(t *testing.T) {
	for name, args := range map[string][]string{
		"as it is": {"-c:v", "libx264", "-bf", "3"}, "filtered": {"-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-vf", "setfield=tff"},
	} {
		t.Run(name, func(t *testing.T) {
			in := read(t, made(t, "stands-"+name+".mkv", withArgs(testPicture(320, 180, 25, "1"), args...)...))
			track, _ := in.track(t, media.Video)
			tc := newVideo(t, track, smallVideo)
			tc.SkipBefore(5 * time.Second)
			require.Empty(t, through(t, tc, in.of(t, media.Video)))
			require.Empty(t, repeated(t, tc, 4))
			out := recoded{tc.Output(), repeated(t, tc, 5, 6)}
			out.check(t)
			require.Equal(t, []float64{5, 6}, shownAt(out.packets))
			want := video(t, made(t, "stands-"+name+".mkv", withArgs(testPicture(320, 180, 25, "1"), args...)...), smallVideo)
			all, got := grey(t, flv(t, want), 320, 180), grey(t, flv(t, out), 320, 180)
			require.Len(t, got, 2)
			require.Less(t, distance(all[len(all)-1], got[0]), distance(all[len(all)-6], got[0])/2, "it is the last one")
		})
	}
}

func TestADecoderThatWasEmptiedGoesOnAfterItsGroupOfPictures(t *testing.T) {
	for _, codec := range []string{"libx264", "libx265", "mpeg4"} {
		t.Run(codec, func(t *testing.T) {
			in := read(t, made(t, "emptied-"+codec+".mkv", withArgs(testPicture(320, 180, 25, "2"), "-c:v", codec, "-bf", "2")...))
			track, _ := in.track(t, media.Video)
			packets := in.of(t, media.Video)
			tc := newVideo(t, track, smallVideo)
			out := recoded{track: tc.Output(), packets: through(t, tc, packets[:10])}
			out.packets = append(out.packets, through(t, tc, packets)...)
			out.check(t)
			require.InDelta(t, 50, len(out.packets), 2, "B-frames that came too late")
			require.Zero(t, tc.Damaged())
			require.NotEmpty(t, grey(t, flv(t, out), 320, 180))
		})
	}
}
