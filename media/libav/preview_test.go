package libav

import (
	"bytes"
	"image/jpeg"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func newPreviews() *Previews { return NewPreviews(slog.New(slog.DiscardHandler)) }

// keyframe returns the first keyframe of an H.264 file whose packets are in FLV's
// form: an mp4 or an flv.
func keyframe(tb testing.TB, path string) media.Keyframe {
	tb.Helper()
	in := read(tb, path)
	track, index := in.track(tb, media.Video)
	for _, p := range in.packets {
		if p.Track == index && p.Keyframe {
			return media.Keyframe{Number: 1, Data: p.Data, Config: track.Extradata}
		}
	}
	require.Fail(tb, "no keyframe", path)
	return media.Keyframe{}
}

// stripes is a file of three stripes, red over green over blue, each from dark on
// the left to bright on the right.
func stripes(tb testing.TB, name, size, matrix, valueRange, pixels string) string {
	tb.Helper()
	return made(tb, name, "-f", "lavfi", "-i", "rgbtestsrc=size="+size+":rate=25:duration=0.2,scale=out_color_matrix="+matrix+":out_range="+valueRange+
		",format=yuv420p,setsar="+pixels, "-c:v", "libx264", "-bf", "0", "-qp", "10", "-colorspace", matrix, "-color_range", valueRange)
}

func requireStripes(t *testing.T, made []byte) {
	t.Helper()
	m, err := jpeg.Decode(bytes.NewReader(made))
	require.NoError(t, err)
	size := m.Bounds().Size()
	for i, want := range [][3]uint32{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}} {
		for _, x := range []int{size.X / 8, size.X * 7 / 8} {
			r, g, b, _ := m.At(x, size.Y*(2*i+1)/6).RGBA()
			for j, got := range []uint32{r, g, b} {
				require.InDelta(t, int(want[j])*x/size.X, got>>8, 8, "stripe %d, channel %d", i, j)
			}
		}
	}
}

func TestAPreviewShowsThePictureInItsColours(t *testing.T) {
	noLeak(t)
	for name, c := range map[string]struct {
		size, matrix, valueRange, pixels string
		width, height                    int
	}{
		"720p":          {"1280x720", "bt709", "tv", "1", 320, 180},
		"small":         {"640x360", "smpte170m", "tv", "1", 320, 180},
		"of full range": {"1280x720", "bt709", "pc", "1", 320, 180},
		"upright":       {"720x1280", "bt709", "tv", "1", 320, 568},
		"very high":     {"320x1600", "bt709", "tv", "1", 128, 640},
		"wide pixels":   {"704x576", "smpte170m", "tv", "16/11", 320, 180},
		"an odd shape":  {"854x480", "smpte170m", "tv", "1", 320, 180},
		"4 to 3":        {"640x480", "smpte170m", "tv", "1", 320, 240},
	} {
		t.Run(name, func(t *testing.T) {
			path := stripes(t, "p-"+c.size+c.valueRange+".mp4", c.size, c.matrix, c.valueRange, c.pixels)
			made, err := newPreviews().Picture(keyframe(t, path))
			require.NoError(t, err)
			require.LessOrEqual(t, len(made), 30_000)
			shown, err := jpeg.DecodeConfig(bytes.NewReader(made))
			require.NoError(t, err)
			require.Equal(t, []int{c.width, c.height}, []int{shown.Width, shown.Height})
			requireStripes(t, made)
			for _, marker := range []byte{0xe0, 0xe1, 0xe2, 0xed, 0xee, 0xfe} { // APPn and comments
				require.False(t, bytes.Contains(made[:300], []byte{0xff, marker}), "%x", marker)
			}
		})
	}
}

func TestAPreviewOfNoiseIsNotTooLarge(t *testing.T) {
	noLeak(t)
	for _, size := range []string{"640x360", "320x640", "16x2048", "1920x16"} {
		path := made(t, "p-noise-"+size+".mp4", "-f", "lavfi", "-i", "color=gray:size="+size+":rate=25:duration=0.2,noise=alls=100:allf=t,format=yuv420p", "-c:v", "libx264", "-bf", "0", "-qp", "4")
		made, err := newPreviews().Picture(keyframe(t, path))
		require.NoError(t, err, size)
		require.LessOrEqual(t, len(made), 30_000, size)
	}
}

func TestAKeyframeThatIsGarbageHasNoPreview(t *testing.T) {
	noLeak(t)
	good := keyframe(t, stripes(t, "p-1280x720tv.mp4", "1280x720", "bt709", "tv", "1"))
	for name, k := range map[string]media.Keyframe{
		"nothing":              {Number: 1},
		"no configuration":     {Number: 1, Data: good.Data},
		"no picture":           {Number: 1, Data: bytes.Repeat([]byte{0xff}, 5000), Config: good.Config},
		"a length beyond it":   {Number: 1, Data: append([]byte{0x7f, 0, 0, 0}, good.Data[4:]...), Config: good.Config},
		"a broken description": {Number: 1, Data: good.Data, Config: good.Config[:9]},
	} {
		made, err := newPreviews().Picture(k)
		if err == nil { // libav may still make something of it
			require.NotEmpty(t, made, name)
			continue
		}
		require.Equal(t, media.KindSourceInvalid, media.KindOf(err), name)
	}
}

func TestAPanicAtAPreviewIsAnError(t *testing.T) {
	require.Equal(t, media.KindInternal, media.KindOf(yielding(func() error { panic("a bug") })))
}

// BenchmarkPreview tells the CPU time of a preview as "cpu-ms".
func BenchmarkPreview(b *testing.B) {
	for size, rate := range map[string]string{"1280x720": "2500k", "1920x1080": "4500k"} {
		path := made(b, "p-bench-"+size+".mp4", withArgs([]string{"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=25:duration=4,noise=alls=8:allf=t"},
			"-c:v", "libx264", "-preset", "veryfast", "-bf", "0", "-g", "50", "-pix_fmt", "yuv420p", "-b:v", rate, "-maxrate", rate, "-bufsize", rate)...)
		k := keyframe(b, path)
		b.Run(size, func(b *testing.B) {
			ps := newPreviews()
			before := cpuTime(b)
			for b.Loop() {
				_, err := ps.Picture(k)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/float64(time.Millisecond), "cpu-ms")
			b.ReportMetric(float64(len(k.Data)), "keyframe-bytes")
		})
	}
}
