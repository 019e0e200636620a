package mediatest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
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

func (s Spec) withDefaults() Spec {
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	if s.Seconds == 0 {
		s.Seconds = 5
	}
	if s.Width == 0 || s.Height == 0 {
		s.Width, s.Height = 640, 360
	}
	if s.FPS == 0 {
		s.FPS = 30
	}
	if s.GOPSeconds == 0 {
		s.GOPSeconds = 1
	}
	def(&s.Picture, "testsrc2")
	def(&s.VideoCodec, "h264")
	def(&s.AudioCodec, "aac")
	def(&s.Container, "mp4")
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
	outputs = append(outputs, s.Args...)
	args := append([]string{"-nostdin", "-y", "-v", "error"}, inputs...)
	return append(append(args, outputs...), "-f", s.Container)
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

func encoder(codec string) string {
	if e, ok := encoders[codec]; ok {
		return e
	}
	return codec
}

// Clip returns the path of a clip as s says. Clips are kept in os.TempDir under
// a name made of their content's description, for this and other test binaries.
func Clip(t testing.TB, s Spec) string {
	t.Helper()
	s = s.withDefaults()
	args := s.args()
	sum := sha256.Sum256([]byte(strings.Join(args, "\x00")))
	dir := filepath.Join(os.TempDir(), "roomcast-clips")
	path := filepath.Join(dir, fmt.Sprintf("%x.%s", sum[:12], s.Container))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatalf("make a clip: %v", err)
	}
	part, err := os.CreateTemp(dir, "part-")
	if err != nil {
		t.Fatalf("make a clip: %v", err)
	}
	_ = part.Close()
	defer func() { _ = os.Remove(part.Name()) }()
	p := start(t, "ffmpeg", "ffmpeg", append(args, part.Name())...)
	if err := p.Wait(10 * time.Minute); err != nil { // half an hour of pictures, on a busy machine
		t.Fatalf("make a clip: ffmpeg %s: %v\n%s", strings.Join(args, " "), err, p.Output())
	}
	if err := os.Rename(part.Name(), path); err != nil { // atomic: others see all or nothing
		t.Fatalf("make a clip: %v", err)
	}
	return path
}
