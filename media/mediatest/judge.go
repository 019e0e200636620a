package mediatest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// flashLead is from the begin of a sample to its first flash, and from its last
// flash to its end.
const flashLead = 500 * time.Millisecond

// How far a recording may be from what is wanted.
const (
	maxOffset     = 40 * time.Millisecond  // between flash and beep
	maxEdge       = 80 * time.Millisecond  // at its begin and end: two frames and a priming
	maxLength     = 200 * time.Millisecond // an AAC frame of 8 kHz lasts 128 ms
	maxVideoGap   = time.Second
	maxAudioGap   = 300 * time.Millisecond
	blackLuma     = 24
	lineOfReports = 3 // decoder's lines that a problem quotes
)

// TapeWant is what a recording of flash and beep should hold.
type TapeWant struct {
	Duration time.Duration // of the longer track; at least so long when Open
	// Lead is from the first picture (sound, without a picture) to the first
	// flash (beep), Tail from the last one to the end; 0 is not checked.
	Lead, Tail     time.Duration
	Flashes, Beeps int    // how many; 0 is none; at least so many when Open
	Size           string // "320x180"; empty is any
	Portrait       bool   // higher than wide
	Open           bool   // begins and ends anywhere: a live source
	// Apart is by how much DTS the tracks may be apart as they come into a
	// room: a file is interleaved, however it has them.
	Apart time.Duration
}

// TrackReport is what the packets of a recording's track are like.
type TrackReport struct {
	Codec, Profile string
	Packets        int
	// First is the first PTS, End the end of the last packet.
	First, End time.Duration
	Backward   int // packets whose DTS is not above the one before
	Early      int // packets shown before they are decoded: PTS under DTS
	Gap        time.Duration
	// KeyGap is the longest time from keyframe to keyframe, and from the last
	// one to the end.
	KeyGap   time.Duration
	KeyFirst bool // begins with a keyframe
}

// Report is what Judge found in a recording.
type Report struct {
	Video, Audio *TrackReport // nil: not there
	PixelFormat  string
	Sizes        []string // "320x180", in the order they came
	BFrames      int
	SampleRate   string // hertz
	Channels     int
	Luma         float64 // mean over all pictures, 16 is black
	// Flashes and Beeps are when they begin, Offsets by how much each beep is
	// behind its flash.
	Flashes, Beeps, Offsets []time.Duration
	Errors                  []string // what the decoder complained about
}

// OffsetP50 is the median of the offsets, OffsetMax the one farthest from 0.
func (r Report) OffsetP50() time.Duration {
	if len(r.Offsets) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.Offsets))
	return sorted[len(sorted)/2]
}

// OffsetMax is the offset farthest from 0.
func (r Report) OffsetMax() time.Duration {
	var worst time.Duration
	for _, o := range r.Offsets {
		if o.Abs() > worst.Abs() {
			worst = o
		}
	}
	return worst
}

// String is the report for a log.
func (r Report) String() string {
	var b strings.Builder
	for name, t := range map[string]*TrackReport{"video": r.Video, "audio": r.Audio} {
		if t == nil {
			continue
		}
		fmt.Fprintf(&b, "%s %s %s, %d packets, %v to %v, longest gap %v, keyframes %v apart, %d backward, %d early\n",
			name, t.Codec, t.Profile, t.Packets, t.First, t.End, t.Gap, t.KeyGap, t.Backward, t.Early)
	}
	fmt.Fprintf(&b, "%s %s, %d B-frames, mean luma %.0f; %s Hz, %d channels\n",
		strings.Join(r.Sizes, " then "), r.PixelFormat, r.BFrames, r.Luma, r.SampleRate, r.Channels)
	fmt.Fprintf(&b, "flashes %v, beeps %v\nbeep after flash: p50 %v, max %v\n", r.Flashes, r.Beeps, r.OffsetP50(), r.OffsetMax())
	for _, line := range r.Errors {
		b.WriteString("decoder: " + line + "\n")
	}
	return b.String()
}

// Judge decodes a recording (any file ffmpeg reads) and measures it. It fails
// the test only when the file cannot be opened.
func Judge(t testing.TB, path string) Report {
	t.Helper()
	probed := probe(t, path, "quiet") // it may be broken
	r := Report{Video: trackReport(probed, "video"), Audio: trackReport(probed, "audio")}
	if s, ok := probed.Stream("video"); ok {
		r.PixelFormat = s.PixelFormat
	}
	if s, ok := probed.Stream("audio"); ok {
		r.SampleRate, r.Channels = s.SampleRate, s.Channels
	}
	d := decodeRecording(t, path, r.Video != nil, r.Audio != nil)
	r.Errors = d.errors
	for _, p := range d.pictures {
		r.Luma += p.luma / float64(len(d.pictures))
		if p.kind == "B" {
			r.BFrames++
		}
		if n := len(r.Sizes); n == 0 || r.Sizes[n-1] != p.size {
			r.Sizes = append(r.Sizes, p.size)
		}
	}
	r.Flashes, r.Beeps = flashes(d.pictures), beeps(d.sounds)
	r.Offsets = offsets(r.Flashes, r.Beeps)
	return r
}

// trackReport sums up the packets of the first stream of a type.
func trackReport(m Media, kind string) *TrackReport {
	packets := m.Of(kind)
	if len(packets) == 0 {
		return nil
	}
	stream, _ := m.Stream(kind)
	r := &TrackReport{Codec: stream.Codec, Profile: stream.Profile, Packets: len(packets), First: packets[0].PTS.Duration()}
	var steps []time.Duration
	for i, p := range packets {
		r.First, r.End = min(r.First, p.PTS.Duration()), max(r.End, p.PTS.Duration())
		if p.PTS < p.DTS {
			r.Early++
		}
		if i == 0 {
			continue
		}
		step := (p.DTS - packets[i-1].DTS).Duration()
		steps = append(steps, step)
		r.Gap = max(r.Gap, step)
		if step <= 0 {
			r.Backward++
		}
	}
	if len(steps) > 0 {
		slices.Sort(steps)
		r.End += steps[len(steps)/2]
	}
	r.keys(packets)
	return r
}

func (r *TrackReport) keys(packets []Packet) {
	r.KeyFirst = packets[0].Keyframe()
	last := r.First
	for _, p := range packets {
		if p.Keyframe() {
			r.KeyGap, last = max(r.KeyGap, p.PTS.Duration()-last), p.PTS.Duration()
		}
	}
	r.KeyGap = max(r.KeyGap, r.End-last)
}

// offsets pairs each beep with the flash next to it, if one is near.
func offsets(flashes, beeps []time.Duration) []time.Duration {
	var found []time.Duration
	for _, b := range beeps {
		best := time.Duration(-1)
		for _, f := range flashes {
			if d := b - f; d.Abs() < flashLead && (best < 0 || d.Abs() < (b-best).Abs()) {
				best = f
			}
		}
		if best >= 0 {
			found = append(found, b-best)
		}
	}
	return found
}
