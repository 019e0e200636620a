package mediatest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// None as a codec leaves the track out.
const None = "none"

// Spec describes a sample clip: a test picture and a sine tone. Zero fields get
// the defaults named here.
type Spec struct {
	Picture       string  // testsrc2, which moves; or another of ffmpeg's sources
	Seconds       float64 // 5
	Width, Height int     // 640 x 360
	FPS           int     // 30
	GOPSeconds    float64 // 1
	BFrames       int     // none; at least this many in a row otherwise
	// VideoCodec is h264 (libx264, constrained baseline without B-frames), or
	// another of ffmpeg's codec or encoder names, or None.
	VideoCodec string
	AudioCodec string // aac, 48 kHz stereo; or another, or None
	// Container is mp4 (with the index first), or another of ffmpeg's muxers,
	// which is also the file's extension: mov, matroska, webm, flv, mpegts.
	Container string
	// Args are further output options for ffmpeg.
	Args []string
}

// encoders are ffmpeg's encoders where they are named unlike the codec.
var encoders = map[string]string{
	"h264": "libx264", "hevc": "libx265", "vp8": "libvpx", "vp9": "libvpx-vp9", "av1": "libaom-av1",
	"mp3": "libmp3lame", "opus": "libopus", "vorbis": "libvorbis",
}

func encoder(codec string) string { return cmp.Or(encoders[codec], codec) }

func (s Spec) withDefaults() Spec {
	s.Picture, s.Seconds, s.FPS = cmp.Or(s.Picture, "testsrc2"), cmp.Or(s.Seconds, 5), cmp.Or(s.FPS, 30)
	s.Width, s.Height, s.GOPSeconds = cmp.Or(s.Width, 640), cmp.Or(s.Height, 360), cmp.Or(s.GOPSeconds, 1)
	s.VideoCodec, s.AudioCodec = cmp.Or(s.VideoCodec, "h264"), cmp.Or(s.AudioCodec, "aac")
	s.Container = cmp.Or(s.Container, "mp4")
	return s
}

// args are ffmpeg's arguments but for the output file.
func (s Spec) args() []string {
	seconds := strconv.FormatFloat(s.Seconds, 'f', -1, 64)
	var inputs, outputs []string
	if s.VideoCodec != None {
		source := fmt.Sprintf("%s=size=%dx%d:rate=%d:duration=%s", s.Picture, s.Width, s.Height, s.FPS, seconds)
		inputs = append(inputs, "-f", "lavfi", "-i", source)
		outputs = append(outputs, s.videoArgs()...)
	}
	if s.AudioCodec != None {
		inputs = append(inputs, "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration="+seconds)
		outputs = append(outputs, "-c:a", encoder(s.AudioCodec), "-ar", "48000", "-ac", "2", "-b:a", "128k")
	}
	if s.Container == "mp4" || s.Container == "mov" {
		outputs = append(outputs, "-movflags", "+faststart")
	}
	return slices.Concat(inputs, outputs, s.Args, []string{"-f", s.Container})
}

func (s Spec) videoArgs() []string {
	gop := strconv.Itoa(max(1, int(s.GOPSeconds*float64(s.FPS))))
	args := []string{"-c:v", encoder(s.VideoCodec), "-pix_fmt", "yuv420p", "-g", gop}
	if s.VideoCodec != "h264" {
		return args
	}
	args = append(args, "-preset", "veryfast", "-keyint_min", gop, "-sc_threshold", "0")
	if s.BFrames == 0 {
		return append(args, "-profile:v", "baseline", "-bf", "0")
	}
	return append(args, "-bf", strconv.Itoa(s.BFrames), "-x264-params", "b-adapt=0")
}

// Clip returns the path of a clip as s says, which is made once per machine.
func Clip(t testing.TB, s Spec) string {
	t.Helper()
	s = s.withDefaults()
	name := "clip." + s.Container
	return Sample{Name: name, file: name, steps: [][]string{append(s.args(), name)}}.Path(t)
}
