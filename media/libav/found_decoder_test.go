package libav

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// decodersOf opens a source and says how many decoders that took.
func decodersOf(t *testing.T, file string) (media.SourceInfo, int) {
	t.Helper()
	s, err := open(t, serve(t)+"/"+file)
	require.NoError(t, err)
	return s.Info(), int(s.(*Source).container.scope.c.decoders)
}

func TestNoDecoderIsOpenedToFindOutWhatTheContainerTells(t *testing.T) {
	fragmented := muxedAs(t, "fragmented.mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
	bframes := muxedAs(t, "bframes.ts", "-tune", "film", "-preset", "veryfast", "-bf", "3")
	bflv := muxedAs(t, "bframes.flv", "-tune", "film", "-preset", "veryfast", "-bf", "3")
	files := []string{fragmented, bframes, bflv}
	for _, c := range containers {
		clip(t, c.file)
		files = append(files, c.file)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			info, decoders := decodersOf(t, file)
			require.Zero(t, decoders)
			require.Len(t, info.Tracks, 2)
			require.Equal(t, "yuv420p", info.Tracks[0].PixelFormat)
			require.Equal(t, "LC", info.Tracks[1].Profile)
			require.InDelta(t, clipFPS, info.Tracks[0].FPS, 0.1)
			require.NotZero(t, info.Tracks[0].Profile)
		})
	}
}

func TestNoDecoderIsOpenedForSoundThatSaysWhatItIs(t *testing.T) {
	for file, args := range map[string][]string{
		"sound.aac": {"-vn"}, "opus.mkv": {"-c:a", "libopus"}, "opus.mp4": {"-c:a", "libopus"},
		"sound.opus": {"-vn", "-c:a", "libopus"}, "sound.mka": {"-vn"},
	} {
		t.Run(file, func(t *testing.T) {
			info, decoders := decodersOf(t, muxedAs(t, file, args...))
			require.Zero(t, decoders)
			sound := info.Tracks[len(info.Tracks)-1]
			require.Equal(t, 2, sound.Channels)
			require.Contains(t, []int{44100, 48000}, sound.SampleRate)
		})
	}
}

// A decoder would know it by what it lets out: Matroska has the PTS alone.
func TestThePicturesOfMatroskaHaveTheirDTSWithoutADecoder(t *testing.T) {
	for name, args := range map[string][]string{
		"none.mkv":     {"-bf", "0"},
		"baseline.mkv": {"-profile:v", "baseline"},
		"some.mkv":     {"-preset", "veryfast", "-bf", "2", "-x264-params", "b-adapt=0:b-pyramid=0"},
		"pyramid.mkv":  {"-preset", "veryfast", "-bf", "3", "-x264-params", "b-adapt=0:b-pyramid=2"},
		"short.mkv":    {"-preset", "veryfast", "-bf", "3", "-t", "0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open(t, serve(t)+"/"+muxedAs(t, name, args...))
			require.NoError(t, err)
			require.Zero(t, s.(*Source).container.scope.c.decoders)
			depth, told := bitstream.ReorderH264(s.Info().Tracks[0].Extradata)
			require.True(t, told)
			pictures := slices.DeleteFunc(readAll(t, s), func(p media.Packet) bool { return p.Track != 0 })
			var shown []time.Duration
			for _, p := range pictures {
				shown = append(shown, p.PTS)
			}
			slices.Sort(shown)
			for i, p := range pictures {
				require.Equal(t, i < depth, p.NoDTS, "picture %d", i)
				if i >= depth {
					require.Equal(t, shown[i-depth], p.DTS, "picture %d", i)
				}
			}
		})
	}
}

func TestADecoderTellsWhatTheContainerDoesNot(t *testing.T) {
	for name, args := range map[string][]string{
		"fields.mp4":    {"-flags", "+ildct+ilme"},
		"fields.ts":     {"-flags", "+ildct+ilme"},
		"low sound.mp4": {"-ar", "22050"},
		"low sound.ts":  {"-ar", "22050"},
	} {
		t.Run(name, func(t *testing.T) {
			info, decoders := decodersOf(t, muxedAs(t, name, args...))
			require.Equal(t, 1, decoders)
			require.Len(t, info.Tracks, 2)
		})
	}
}

// Where the pictures do not tell it, the container does.
func TestTheTransferFunctionIsFoundWithoutADecoder(t *testing.T) {
	for name, args := range map[string][]string{
		"PQ.mp4": {"-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc"},
		"PQ.ts":  {"-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc"},
		"PQ by the container.mp4": {
			"-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc",
			"-bsf:v", "h264_metadata=transfer_characteristics=2:colour_primaries=2:matrix_coefficients=2", "-movflags", "+write_colr",
		},
	} {
		t.Run(name, func(t *testing.T) {
			info, decoders := decodersOf(t, muxedAs(t, name, args...))
			require.Zero(t, decoders)
			require.True(t, info.Tracks[0].HDR)
		})
	}
}

// muxedAs makes a clip as clip does, with more arguments.
func muxedAs(t *testing.T, name string, args ...string) string {
	t.Helper()
	all := append([]string{
		"-v", "error", "-nostdin", "-y",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100",
		"-t", "6", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac", "-ac", "2",
	}, args...)
	ffmpeg(t, append(all, clips.dir+"/"+name)...)
	return name
}
