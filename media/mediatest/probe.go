package mediatest

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Media is what ffprobe found in a file.
type Media struct {
	Format  Format   `json:"format"`
	Streams []Stream `json:"streams"`
	Packets []Packet `json:"packets"`
}

// Format is the container as ffprobe shows it.
type Format struct {
	Duration Seconds `json:"duration"`
}

// Stream is a stream as ffprobe shows it.
type Stream struct {
	Index       int    `json:"index"`
	Type        string `json:"codec_type"` // video, audio
	Codec       string `json:"codec_name"`
	Profile     string `json:"profile"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	PixelFormat string `json:"pix_fmt"`
	SampleRate  string `json:"sample_rate"`
	Channels    int    `json:"channels"`
}

// Packet is a packet as ffprobe shows it.
type Packet struct {
	Stream   int     `json:"stream_index"`
	PTS      Seconds `json:"pts_time"`
	DTS      Seconds `json:"dts_time"`
	Duration Seconds `json:"duration_time"`
	Flags    string  `json:"flags"`
}

// Keyframe says whether a decoder can start here.
func (p Packet) Keyframe() bool { return strings.Contains(p.Flags, "K") }

// Seconds is a time that ffprobe writes as a decimal string; 0 when it has none.
type Seconds time.Duration

// UnmarshalJSON reads "1.500000".
func (s *Seconds) UnmarshalJSON(b []byte) error {
	f, _ := strconv.ParseFloat(strings.Trim(string(b), `"`), 64) // 0 of "N/A"
	*s = Seconds(f * float64(time.Second))
	return nil
}

// Duration returns it as a time.Duration.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// Stream returns the first stream of this type, video or audio.
func (m Media) Stream(kind string) (Stream, bool) {
	for _, s := range m.Streams {
		if s.Type == kind {
			return s, true
		}
	}
	return Stream{}, false
}

// Of returns the packets of the first stream of this type, video or audio.
func (m Media) Of(kind string) []Packet {
	stream, ok := m.Stream(kind)
	var out []Packet
	for _, p := range m.Packets {
		if ok && p.Stream == stream.Index {
			out = append(out, p)
		}
	}
	return out
}

// Span is from the first to the end of the last packet of the first stream of
// this type, by DTS.
func (m Media) Span(kind string) time.Duration {
	packets := m.Of(kind)
	if len(packets) == 0 {
		return 0
	}
	last := packets[len(packets)-1]
	return (last.DTS + last.Duration - packets[0].DTS).Duration()
}

// Probe runs ffprobe over a file or URL and fails the test when it cannot read
// it.
func Probe(t testing.TB, path string) Media {
	t.Helper()
	return probe(t, path, "error")
}

// probe is Probe with a level of ffprobe's log, at which a word of it fails the test.
func probe(t testing.TB, path, level string) Media {
	t.Helper()
	out := run(t, "ffprobe", "-v", level, "-show_format", "-show_streams", "-show_packets", "-of", "json", path)
	var m Media
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	return m
}

// Decode decodes all of a file or URL and fails the test at the first error
// ffmpeg prints.
func Decode(t testing.TB, path string) {
	t.Helper()
	run(t, "ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", path, "-enc_time_base:v", "-1", "-f", "null", "-")
}

// run runs a program of Debian's ffmpeg package to its end; an exit code or a
// word on its error output fails the test.
func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: apt-get install -y ffmpeg", name)
	}
	words := givingWay(path, args...)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}
