package libav

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// testPicture is ffmpeg's input: a moving test picture.
func testPicture(width, height, rate int, seconds string) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=%d:duration=%s", width, height, rate, seconds)}
}

func withArgs(a []string, b ...string) []string { return append(append([]string(nil), a...), b...) }

func TestEveryVideoCodecBecomesH264WithoutBFrames(t *testing.T) {
	noLeak(t)
	for file, args := range map[string][]string{
		"h264.mp4":      {"-c:v", "libx264", "-bf", "3", "-preset", "veryfast"},
		"hevc.mp4":      {"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"},
		"hevc10.mkv":    {"-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"},
		"vp8.webm":      {"-c:v", "libvpx", "-deadline", "realtime"},
		"vp9.webm":      {"-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"},
		"av1.mkv":       {"-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"},
		"mpeg4.avi":     {"-c:v", "mpeg4", "-bf", "2"},
		"mpeg2.ts":      {"-c:v", "mpeg2video", "-bf", "2"},
		"mpeg1.mkv":     {"-c:v", "mpeg1video"},
		"mjpeg.mov":     {"-c:v", "mjpeg", "-pix_fmt", "yuvj422p"},
		"theora.ogg":    {"-c:v", "libtheora"},
		"flv1.flv":      {"-c:v", "flv"},
		"msmpeg4v3.avi": {"-c:v", "msmpeg4"},
		"prores.mov":    {"-c:v", "prores_ks"},
		"p4444.mov":     {"-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"},
		"dnxhd.mov":     {"-c:v", "dnxhd", "-s", "1920x1080", "-b:v", "120M", "-pix_fmt", "yuv422p"},
		"dnxhr.mxf":     {"-c:v", "dnxhd", "-profile:v", "dnxhr_hqx", "-pix_fmt", "yuv422p10le"},
		"cineform.mov":  {"-c:v", "cfhd", "-pix_fmt", "yuv422p10le"},
		"dv.avi":        {"-c:v", "dvvideo", "-s", "720x576", "-r", "25"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			path := made(t, "v-"+file, withArgs(testPicture(320, 180, 25, "2"), args...)...)
			out := video(t, path, smallVideo)
			require.InDelta(t, 50, len(out.packets), 1)
			require.InDelta(t, 2, out.end().Seconds()-out.packets[0].PTS.Seconds(), 0.05)
			require.Len(t, grey(t, flv(t, out), 320, 180), len(out.packets), "all decode without a word")
			s := probeVideo(t, out)
			require.Equal(t, []any{"h264", "High", 320, 180, "yuv420p", "1:1", "tv"},
				[]any{s.Codec, s.Profile, s.Width, s.Height, s.Format, s.SAR, s.Range})
			require.Zero(t, s.BFrames)
		})
	}
}

type probedVideo struct {
	Codec   string `json:"codec_name"`
	Profile string `json:"profile"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
	BFrames int    `json:"has_b_frames"`
	Format  string `json:"pix_fmt"`
	SAR     string `json:"sample_aspect_ratio"`
	Range   string `json:"color_range"`
	Space   string `json:"color_space"`
	Rate    string `json:"r_frame_rate"`
}

func probeVideo(tb testing.TB, r recoded) probedVideo {
	tb.Helper()
	raw := tool(tb, "ffprobe", "-v", "error", "-show_streams", "-of", "json", flv(tb, r))
	var found struct{ Streams []probedVideo }
	require.NoError(tb, json.Unmarshal(raw, &found))
	require.Len(tb, found.Streams, 1)
	types := tool(tb, "ffprobe", "-v", "error", "-show_entries", "frame=pict_type", "-of", "csv=p=0", flv(tb, r))
	require.NotContains(tb, string(types), "B")
	return found.Streams[0]
}

func TestKeyframesComeRegularly(t *testing.T) {
	path := made(t, "keys.mp4", withArgs(testPicture(320, 180, 25, "7"), "-c:v", "libx264", "-g", "1000")...)
	out := video(t, path, smallVideo)
	var keys []time.Duration
	for _, p := range out.packets {
		if p.Keyframe {
			keys = append(keys, p.PTS-out.packets[0].PTS)
		}
	}
	require.Equal(t, []time.Duration{0, 2 * time.Second, 4 * time.Second, 6 * time.Second}, keys)
}

func TestTheRateIsCappedAndNotRaised(t *testing.T) {
	for rate, want := range map[int]int{10: 20, 24: 48, 30: 60, 50: 60, 60: 60} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			path := made(t, fmt.Sprintf("rate%d.mp4", rate), withArgs(testPicture(320, 180, rate, "2"), "-c:v", "libx264")...)
			require.InDelta(t, want, len(video(t, path, smallVideo).packets), 1)
		})
	}
}

func TestAHoleIsFilledWithTheLastPicture(t *testing.T) {
	for name, c := range map[string]struct {
		from, to float64 // no picture between
		more     int
		gap      float64
	}{
		"short, as it is": {2, 2.9, 0, 0.96},
		"filled":          {2, 3.2, 1, 0.64},
		"a long one, as it is, since its end is known too late": {2, 4.2, 0, 2.28},
	} {
		t.Run(name, func(t *testing.T) {
			hole := fmt.Sprintf("select='not(between(t,%g,%g))'", c.from, c.to)
			path := made(t, fmt.Sprintf("hole%g.mkv", c.to), withArgs(testPicture(320, 180, 25, "6"), "-vf", hole, "-fps_mode", "vfr", "-c:v", "libx264")...)
			out := video(t, path, smallVideo)
			require.Len(t, out.packets, 150-int((c.to-c.from)*25+1.001)+c.more)
			gap, held := time.Duration(0), []float64{}
			for i, p := range out.packets[1:] {
				require.Greater(t, p.PTS, out.packets[i].PTS)
				gap = max(gap, p.PTS-out.packets[i].PTS)
				if p.Origin != media.Taken {
					require.Equal(t, media.Held, p.Origin)
					held = append(held, p.PTS.Seconds())
				}
			}
			require.Len(t, held, c.more, "what is the source's own counts as that")
			require.InDeltaSlice(t, []float64{2.6}[:c.more], held, 0.05)
			require.InDelta(t, c.gap, gap.Seconds(), 0.05)
			require.Len(t, grey(t, flv(t, out), 320, 180), len(out.packets), "all decode without a word")
		})
	}
}

func TestTheBitRateIsKept(t *testing.T) {
	path := made(t, "noise.mp4", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30:duration=6,noise=alls=60:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20")
	to := smallVideo
	to.Width, to.Height, to.Bitrate = 640, 360, 800_000
	total := 0
	out := video(t, path, to)
	for _, p := range out.packets {
		total += len(p.Data)
	}
	require.InEpsilon(t, 800_000, float64(total)*8/out.end().Seconds(), 0.15)
}

func TestTheBitRateIsKeptWithAFasterSource(t *testing.T) {
	noise := func(rate int) source {
		return read(t, made(t, fmt.Sprintf("noise%d.mp4", rate), "-f", "lavfi", "-i",
			fmt.Sprintf("testsrc2=size=320x180:rate=%d:duration=6,noise=alls=60:allf=t", rate), "-c:v", "libx264", "-preset", "ultrafast", "-crf", "20"))
	}
	slow, fast := noise(10), noise(30)
	tc := newVideo(t, slow.info.Tracks[0], smallVideo)
	for i, in := range []source{slow, fast} {
		_, err := tc.Input(in.info.Tracks[0])
		require.NoError(t, err)
		total := 0
		for _, p := range in.packets {
			p.PTS += time.Duration(i) * 10 * time.Second
			p.DTS += time.Duration(i) * 10 * time.Second
			out, err := tc.Transcode(p)
			require.NoError(t, err)
			for _, o := range out {
				total += len(o.Data)
			}
		}
		require.InEpsilon(t, 500_000, float64(total)*8/6, 0.2)
	}
}

// white has a white upper left corner on grey.
func white(t *testing.T, name string, args ...string) string {
	return made(t, name, withArgs([]string{"-f", "lavfi", "-i",
		"color=gray:size=320x180:rate=10:duration=1,drawbox=x=0:y=0:w=80:h=60:color=white:t=fill"}, args...)...)
}

func TestRotationIsApplied(t *testing.T) {
	// An untouched picture has the white corner at the upper left.
	upright := white(t, "upright.mp4", "-c:v", "libx264")
	for turn, want := range map[string]struct {
		rotation, x, y int
		wide           bool
	}{
		"0":   {0, 0, 0, true},
		"90":  {270, 0, 1, false}, // Debian's ffmpeg writes the angle anticlockwise
		"180": {180, 1, 1, true},
		"270": {90, 1, 0, false},
	} {
		t.Run(turn, func(t *testing.T) {
			path := made(t, "turn"+turn+".mp4", "-i", upright, "-c", "copy", "-metadata:s:v", "rotate="+turn)
			in := read(t, path)
			require.Equal(t, want.rotation, in.info.Tracks[0].Rotation)
			to := smallVideo
			picture := grey(t, flv(t, video(t, path, to)), 320, 180)[5]
			left, width, fit := 0, 320, "null"
			if !want.wide { // 180 x 320 in 320 x 180: 102 wide, in the middle
				left, width, fit = 108, 102, "scale=102:180,pad=320:180:108:0,format=yuv420p"
				require.InDelta(t, 0, mean(picture, 320, 0, 0, 100, 180), 2, "black on the left")
				require.InDelta(t, 0, mean(picture, 320, 220, 0, 100, 180), 2, "black on the right")
			}
			foreign := tool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-frames:v", "1", "-vf", fit+",format=gray", "-f", "rawvideo", "-")
			require.Less(t, difference(foreign, picture), 4.0, "as Debian's ffmpeg shows it")
			x, y := left+2+want.x*(width-14), 2+want.y*(180-14)
			require.Greater(t, mean(picture, 320, x, y, 10, 10), 220.0)
		})
	}
}

func TestAMirroredPictureIsShownAsAPlayerShowsIt(t *testing.T) {
	upright := white(t, "upright.mp4", "-c:v", "libx264")
	for name, c := range map[string]struct {
		matrix   [4]int8 // a, b, c, d of ISO/IEC 14496-12, 6.2.2
		rotation int
		x, y     int // where the upper left corner goes
	}{
		"left is right":            {[4]int8{-1, 0, 0, 1}, 0, 1, 0},
		"upside down, as in water": {[4]int8{1, 0, 0, -1}, 180, 0, 1},
		"transposed":               {[4]int8{0, 1, 1, 0}, 270, 0, 0},
		"transposed the other way": {[4]int8{0, -1, -1, 0}, 90, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(filepath.Dir(upright), "shown "+name+".mp4")
			require.NoError(t, os.WriteFile(path, mediatest.Shown(t, upright, c.matrix), 0o600))
			in := read(t, path)
			require.True(t, in.info.Tracks[0].Mirrored)
			require.Equal(t, c.rotation, in.info.Tracks[0].Rotation)
			to := smallVideo
			if c.matrix[0] == 0 {
				to.Width, to.Height = 180, 320
			}
			picture := grey(t, flv(t, video(t, path, to)), to.Width, to.Height)[5]
			foreign := tool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-frames:v", "1", "-vf", "format=gray", "-f", "rawvideo", "-")
			require.Less(t, difference(foreign, picture), 4.0, "as Debian's ffmpeg shows it")
			require.Greater(t, mean(picture, to.Width, 2+c.x*(to.Width-14), 2+c.y*(to.Height-14), 10, 10), 220.0)
		})
	}
}

func TestAnotherShapeIsPaddedWithBlack(t *testing.T) {
	for name, c := range map[string]struct {
		size, sar string
		lit       [4]int // x, y, width, height
	}{
		"4:3":               {"240x180", "1", [4]int{40, 0, 240, 180}},
		"square pixels not": {"160x180", "2", [4]int{0, 0, 320, 180}},
		"wide":              {"640x180", "1", [4]int{0, 46, 320, 90}},
	} {
		t.Run(name, func(t *testing.T) {
			path := made(t, "shape-"+c.size+".mp4", "-f", "lavfi", "-i", "color=white:size="+c.size+":rate=10:duration=1,setsar="+c.sar, "-c:v", "libx264")
			picture := grey(t, flv(t, video(t, path, smallVideo)), 320, 180)[3]
			x, y, w, h := c.lit[0], c.lit[1], c.lit[2], c.lit[3]
			require.Greater(t, mean(picture, 320, x+4, y+4, w-8, h-8), 230.0)
			lit := mean(picture, 320, 0, 0, 320, 180)
			require.InDelta(t, 255*float64(w*h)/(320*180), lit, 4)
		})
	}
}

func TestTheSourceMayChangeItsSizeInMidStream(t *testing.T) {
	first := read(t, made(t, "change1.ts", withArgs(testPicture(320, 180, 25, "1"), "-c:v", "libx264", "-bf", "2")...))
	second := read(t, made(t, "change2.ts", withArgs(testPicture(240, 240, 25, "1"), "-c:v", "libx264", "-bf", "2")...))
	packets := first.of(t, media.Video)
	after := second.of(t, media.Video)
	for i := range after {
		after[i].PTS += time.Second
		after[i].DTS += time.Second
	}
	track, _ := first.track(t, media.Video)
	other, _ := second.track(t, media.Video)
	t.Run("in the stream", func(t *testing.T) {
		tc := newVideo(t, track, smallVideo)
		out := recoded{tc.Output(), through(t, tc, append(packets[:len(packets):len(packets)], after...))}
		out.check(t)
		require.Len(t, grey(t, flv(t, out), 320, 180), 50)
		require.Zero(t, tc.Damaged())
	})
	t.Run("as another source", func(t *testing.T) {
		tc := newVideo(t, track, smallVideo)
		out := recoded{track: tc.Output()}
		for _, p := range packets {
			got, err := tc.Transcode(p)
			require.NoError(t, err)
			out.packets = append(out.packets, got...)
		}
		got, err := tc.Input(other)
		require.NoError(t, err)
		out.packets = append(out.packets, got...)
		require.Len(t, out.packets, 25, "what the decoder held back came")
		out.packets = append(out.packets, through(t, tc, after)...)
		out.check(t)
		require.Len(t, grey(t, flv(t, out), 320, 180), 50)
	})
}

func TestWhatComesBehindTheEndIsLeftOutOfPictureAndSound(t *testing.T) {
	in := read(t, made(t, "both.mp4", slices.Concat(testPicture(320, 180, 25, "2"), []string{"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=2"},
		withArgs(nil, "-c:v", "libx264", "-bf", "3", "-c:a", "aac"))...))
	picture, _ := in.track(t, media.Video)
	sound, _ := in.track(t, media.Audio)
	video, audio := newVideo(t, picture, smallVideo), newAudio(t, sound, roomAudio)
	for _, tc := range []media.Transcoder{video, audio} {
		tc.SkipFrom(time.Second)
	}
	require.Len(t, through(t, video, in.of(t, media.Video)), 25)
	heard := through(t, audio, in.of(t, media.Audio))
	require.InDelta(t, time.Second.Seconds(), heard[len(heard)-1].PTS.Seconds(), 0.045)
}

func TestWhatComesBeforeIsLeftOut(t *testing.T) {
	in := read(t, made(t, "h264.mp4", withArgs(testPicture(320, 180, 25, "2"), "-c:v", "libx264", "-bf", "3")...))
	track, _ := in.track(t, media.Video)
	tc := newVideo(t, track, smallVideo)
	tc.SkipBefore(time.Second)
	out := recoded{tc.Output(), through(t, tc, in.of(t, media.Video))}
	out.check(t)
	require.Equal(t, time.Second, out.packets[0].PTS)
	require.Len(t, out.packets, 25)
	// It goes on after a flush.
	tc.SkipBefore(0)
	later := in.of(t, media.Video)
	for i := range later {
		later[i].PTS += 10 * time.Second
		later[i].DTS += 10 * time.Second
	}
	require.Len(t, through(t, tc, later), 50)
}

func TestPicturesWithoutATimeGetOne(t *testing.T) {
	in := read(t, made(t, "nopts.mp4", withArgs(testPicture(320, 180, 25, "2"), "-c:v", "libx264", "-bf", "0")...))
	track, _ := in.track(t, media.Video)
	packets := in.of(t, media.Video)
	for i := range packets {
		packets[i].PTS, packets[i].NoPTS = 0, true
	}
	out := recoded{packets: through(t, newVideo(t, track, smallVideo), packets)}
	out.check(t)
	require.Len(t, out.packets, 50)
	require.Equal(t, packets[49].DTS, out.packets[49].PTS)
}

func TestInterlacedPicturesAreDeinterlaced(t *testing.T) {
	path := made(t, "interlaced.ts", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=50:duration=2,interlace", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "4M")
	out := video(t, path, smallVideo)
	require.Len(t, out.packets, 50)
	report := string(toolStderr(t, "-i", flv(t, out), "-vf", "idet", "-f", "null", "-"))
	require.Regexp(t, `Multi frame detection: TFF:\s+[0-3] BFF:\s+[0-3] Progressive`, report)
}

func TestHDRBecomesSDR(t *testing.T) {
	plain := made(t, "sdr.mp4", withArgs(testPicture(320, 180, 25, "1"), "-c:v", "libx264")...)
	want := grey(t, flv(t, video(t, plain, smallVideo)), 320, 180)[10]
	for name, transfer := range map[string]string{"pq": "smpte2084", "hlg": "arib-std-b67"} {
		t.Run(name, func(t *testing.T) {
			path := made(t, name+".mp4", withArgs(testPicture(320, 180, 25, "1"),
				"-vf", "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv,zscale=t=linear:npl=203,format=gbrpf32le,"+
					"zscale=p=bt2020:t="+transfer+":m=bt2020nc:r=tv:npl=203,format=yuv420p10le",
				"-c:v", "libx265", "-preset", "ultrafast", "-x265-params",
				"log-level=none:colorprim=bt2020:transfer="+transfer+":colormatrix=bt2020nc")...)
			require.True(t, read(t, path).info.Tracks[0].HDR)
			got := grey(t, flv(t, video(t, path, smallVideo)), 320, 180)[10]
			require.InDelta(t, mean(want, 320, 0, 0, 320, 180), mean(got, 320, 0, 0, 320, 180), 16, "as bright")
			low, high := extremes(got)
			require.Less(t, low, 30.0, "black stays black")
			require.Greater(t, high, 190.0, "yellow stays bright")
		})
	}
	require.False(t, read(t, plain).info.Tracks[0].HDR)
}

// extremes are the means of the darkest and the lightest square of 20 pixels.
func extremes(picture []byte) (low, high float64) {
	low = 255
	for y := 0; y+20 <= 180; y += 4 {
		for x := 0; x+20 <= 320; x += 4 {
			m := mean(picture, 320, x, y, 20, 20)
			low, high = min(low, m), max(high, m)
		}
	}
	return low, high
}

// difference is the mean of how far the pixels are apart.
func difference(a, b []byte) float64 {
	sum := 0
	for i := range a {
		sum += max(int(a[i]), int(b[i])) - min(int(a[i]), int(b[i]))
	}
	return float64(sum) / float64(len(a))
}
