package libav

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/asticode/go-astiav"
	"github.com/stretchr/testify/require"
)

// asked returns what scripts/ffmpeg-options asks for, by kind, and the lines.
func asked(t *testing.T) (names map[string][]string, lines []string) {
	t.Helper()
	list, err := os.ReadFile("../../scripts/ffmpeg-options")
	require.NoError(t, err)
	names = make(map[string][]string)
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "--") {
			continue
		}
		lines = append(lines, line)
		if kind, of, ok := strings.Cut(strings.TrimPrefix(line, "--enable-"), "="); ok {
			names[kind] = append(names[kind], strings.Split(of, ",")...)
		}
	}
	return names, lines
}

func TestLibavOpensNothingByItself(t *testing.T) {
	require.Empty(t, protocols())
	require.NoError(t, CheckLinked())
	for _, d := range demuxers() {
		for _, opens := range []string{"hls", "dash", "rtsp", "sdp", "rtp", "rtmp", "sap", "concat", "image2", "imf"} {
			require.NotEqual(t, opens, d)
		}
	}
	require.Contains(t, strings.Fields(configuration()), "--disable-network")
}

func TestFFmpegIsConfiguredAsItsListSays(t *testing.T) {
	_, lines := asked(t)
	options := slices.DeleteFunc(strings.Fields(strings.ReplaceAll(configuration(), "'", "")), func(o string) bool { return strings.HasPrefix(o, "--prefix=") })
	require.Equal(t, lines, options)
}

// What configure adds by itself is on the list, too: nobody has it without knowing.
func TestFFmpegHasWhatItsListNamesAndNothingElse(t *testing.T) {
	names, _ := asked(t)
	for kind, c := range map[string]struct {
		there  []string
		called map[string]string // FFmpeg's own names, by configure's
		always []string          // cannot be left out
	}{
		"protocol": {there: protocols()},
		"demuxer": {there: demuxers(), called: map[string]string{
			"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm", "mpegps": "mpeg",
			"image_jpeg_pipe": "jpeg_pipe", "image_png_pipe": "png_pipe", "image_webp_pipe": "webp_pipe",
		}},
		"muxer":   {there: muxers()},
		"decoder": {there: codecs((*astiav.Codec).IsDecoder), called: map[string]string{"msmpeg4v3": "msmpeg4"}},
		"encoder": {there: codecs((*astiav.Codec).IsEncoder)},
		"parser": {there: parsers(), called: map[string]string{
			"mpeg4video": "mpeg4", "mpegvideo": "mpeg1video", "mpegaudio": "mp1", "vp3": "theora", "dca": "dts",
		}},
		"bsf":    {there: bitstreamFilters()},
		"filter": {there: filters(), always: []string{"buffer", "buffersink", "abuffer", "abuffersink"}},
	} {
		t.Run(kind, func(t *testing.T) {
			want := c.always
			for _, name := range names[kind] {
				if own, ok := c.called[name]; ok {
					name = own
				}
				want = append(want, name)
			}
			require.ElementsMatch(t, want, c.there)
		})
	}
}

func codecs(are func(*astiav.Codec) bool) (names []string) {
	for _, c := range astiav.Codecs() {
		if are(c) {
			names = append(names, c.Name())
		}
	}
	return names
}
