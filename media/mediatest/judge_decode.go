package mediatest

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// picture is a decoded frame: when it is shown, what it is coded as, its size
// and the mean of its luma.
type picture struct {
	at   time.Duration
	kind string // I, P, B
	size string
	luma float64
}

// loudness is the RMS of a millisecond of sound.
type loudness struct {
	at  time.Duration
	rms float64
}

// decoded is a recording taken apart.
type decoded struct {
	pictures []picture
	sounds   []loudness
	errors   []string
}

// decodeRecording decodes the first picture and the first sound in one run:
// ffmpeg tells of every frame on its error output, and the sound itself comes
// out as PCM.
func decodeRecording(t testing.TB, path string, video, audio bool) decoded {
	t.Helper()
	args := []string{"-nostdin", "-hide_banner", "-nostats", "-loglevel", "level+info", "-copyts", "-i", path}
	if video {
		args = append(args, "-map", "0:v:0", "-vf", "showinfo", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-")
	}
	if audio {
		args = append(args, "-map", "0:a:0", "-af", "aformat=sample_fmts=s16:channel_layouts=mono,ashowinfo", "-f", "s16le", "pipe:1")
	}
	words := givingWay("ffmpeg", args...)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	var pcm, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &pcm, &told
	err := cmd.Run()
	var d decoded
	r := pcmReader{pcm: pcm.Bytes()}
	for line := range strings.Lines(told.String()) {
		switch {
		case strings.Contains(line, "_showinfo_") && strings.Contains(line, " pts_time:"):
			d.pictures = append(d.pictures, parsePicture(line))
		case strings.Contains(line, "_ashowinfo_") && strings.Contains(line, " pts_time:"):
			d.sounds = append(d.sounds, r.frame(line)...)
		case complaint.MatchString(line):
			d.errors = append(d.errors, strings.TrimSpace(line))
		}
	}
	if err != nil {
		d.errors = append(d.errors, "ffmpeg: "+err.Error())
	}
	return d
}

var complaint = regexp.MustCompile(`\[(error|fatal|panic)\] `)

// field returns what stands behind "name:" in a line of showinfo.
func field(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+":")
	rest = strings.TrimLeft(rest, " [")
	end := strings.IndexAny(rest, " ]\n")
	if end < 0 {
		return rest
	}
	return rest[:end]
}

func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64) // 0 where it is none
	return f
}

func seconds(s string) time.Duration {
	return time.Duration(number(s) * float64(time.Second)).Round(time.Microsecond)
}

func parsePicture(line string) picture {
	return picture{at: seconds(field(line, "pts_time")), kind: field(line, "type"), size: field(line, "s"), luma: number(field(line, "mean"))}
}

// pcmReader cuts mono 16-bit PCM into milliseconds, frame by frame: a frame has
// a time of its own, so that a gap between two stays one.
type pcmReader struct{ pcm []byte }

func (r *pcmReader) frame(line string) []loudness {
	rate, n := int(number(field(line, "rate"))), int(number(field(line, "nb_samples")))
	at := seconds(field(line, "pts_time"))
	size := min(2*n, len(r.pcm))
	samples := r.pcm[:size]
	r.pcm = r.pcm[size:]
	var out []loudness
	step := max(rate/1000, 1)
	for i := 0; i+step <= len(samples)/2; i += step {
		var sum float64
		for j := i; j < i+step; j++ {
			v := float64(int16(binary.LittleEndian.Uint16(samples[2*j:]))) / math.MaxInt16
			sum += v * v
		}
		out = append(out, loudness{at + time.Duration(i)*time.Second/time.Duration(rate), math.Sqrt(sum / float64(step))})
	}
	return out
}

// What counts as a flash and as a beep.
const (
	leastRise  = 15.0 // of the mean luma, from one picture to the next
	leastBeep  = 0.04 // RMS, full scale is 1
	betweenTwo = flashLead
	// A beep is a tenth of every second.
	beepPercentile = 95
)

// flashes returns when the picture turns white: where the luma rises by more
// than half of what it ever does.
func flashes(pictures []picture) []time.Duration {
	most := 2 * leastRise
	rise := func(i int) float64 { return pictures[i].luma - pictures[i-1].luma }
	for i := 1; i < len(pictures); i++ {
		most = max(most, rise(i))
	}
	var found []time.Duration
	for i := 1; i < len(pictures); i++ {
		if rise(i) > most/2 {
			found = appendApart(found, pictures[i].at)
		}
	}
	return found
}

// beeps returns when the sound grows loud: over half of what it is in a beep,
// which is not its loudest millisecond: that may be a click of the encoder's.
func beeps(sounds []loudness) []time.Duration {
	most := 2 * leastBeep
	if len(sounds) > 0 {
		sorted := slices.SortedFunc(slices.Values(sounds), func(a, b loudness) int { return cmp.Compare(a.rms, b.rms) })
		most = max(most, sorted[len(sorted)*beepPercentile/100].rms)
	}
	var found []time.Duration
	loud := false
	for _, s := range sounds {
		switch {
		case !loud && s.rms > most/2:
			found, loud = appendApart(found, s.at), true
		case s.rms <= most/4: // the tone wavers
			loud = false
		}
	}
	return found
}

// appendApart leaves out what comes too soon after the one before.
func appendApart(all []time.Duration, at time.Duration) []time.Duration {
	if n := len(all); n > 0 && (at-all[n-1]).Abs() < betweenTwo {
		return all
	}
	return append(all, at)
}
