package mediatest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// problems collects sentences.
type problems []string

func (p *problems) unless(ok bool, format string, args ...any) {
	if !ok {
		*p = append(*p, fmt.Sprintf(format, args...))
	}
}

// Problems returns a sentence for each way in which the recording is not what
// a room takes or not what is wanted; none when all is well.
func (r Report) Problems(want TapeWant) []string {
	found := problems(r.Faults())
	found.unless(want.Flashes == 0 || r.Video != nil, "there is no video")
	found.unless(want.Beeps == 0 || r.Audio != nil, "there is no audio")
	found.unless(r.OffsetMax().Abs() <= maxOffset, "beep and flash are up to %v apart (median %v)", r.OffsetMax(), r.OffsetP50())
	found.unless(!r.Black(), "the picture is black: mean luma %.0f", r.Luma)
	r.counts(want, &found)
	r.edges(want, &found)
	if r.Video != nil && len(r.Sizes) > 0 {
		found.unless(want.Size == "" || r.Sizes[0] == want.Size, "the picture is %s, not %s", r.Sizes[0], want.Size)
		width, height := parseSize(r.Sizes[0])
		found.unless(width%2 == 0 && height%2 == 0, "the picture is %s: odd", r.Sizes[0])
		found.unless(!want.Portrait || height > width, "the picture is %s: not upright", r.Sizes[0])
	}
	return found
}

// Faults returns a sentence for each way in which the recording is not what a
// room takes, whatever it shows.
func (r Report) Faults() []string {
	var found problems
	if v := r.Video; v != nil {
		found.unless(v.Codec == "h264", "video is %s", v.Codec)
		found.unless(slices.Contains([]string{"yuv420p", "yuvj420p"}, r.PixelFormat), "the pixel format is %s", r.PixelFormat)
		found.unless(r.BFrames == 0, "%d B-frames", r.BFrames)
		found.unless(len(r.Sizes) == 1, "the picture's size is not constant: %v", r.Sizes)
		found.unless(v.KeyFirst, "the first picture is no keyframe")
		v.faults("video", maxVideoGap, &found)
	}
	if a := r.Audio; a != nil {
		found.unless(a.Codec == "aac" && a.Profile == "LC", "audio is %s %s", a.Codec, a.Profile)
		found.unless(r.Channels <= 2, "%d channels", r.Channels)
		a.faults("audio", maxAudioGap, &found)
	}
	found.unless(r.Video != nil || r.Audio != nil, "nothing was recorded")
	found.unless(len(r.Errors) == 0, "the decoder complains %d times: %s",
		len(r.Errors), strings.Join(r.Errors[:min(len(r.Errors), lineOfReports)], "; "))
	return found
}

func (r *TrackReport) faults(name string, maxGap time.Duration, found *problems) {
	found.unless(r.Backward == 0, "%s: %d times the DTS does not rise", name, r.Backward)
	found.unless(r.Early == 0, "%s: %d packets have a PTS under their DTS", name, r.Early)
	found.unless(r.Gap <= maxGap, "%s: a gap of %v", name, r.Gap)
}

func (r Report) counts(want TapeWant, found *problems) {
	enough := func(got, wanted int) bool { return got == wanted || want.Open && got > wanted }
	found.unless(enough(len(r.Flashes), want.Flashes), "%d flashes, not %d", len(r.Flashes), want.Flashes)
	found.unless(enough(len(r.Beeps), want.Beeps), "%d beeps, not %d", len(r.Beeps), want.Beeps)
	length := r.Length()
	if want.Open {
		found.unless(length >= want.Duration-maxLength, "%v long, not at least %v", length, want.Duration)
		return
	}
	found.unless((length-want.Duration).Abs() <= maxLength, "%v long, not %v", length, want.Duration)
}

// edges checks that nothing is missing at the begin and at the end.
func (r Report) edges(want TapeWant, found *problems) {
	marks, track, what := r.Flashes, r.Video, "flash"
	if track == nil {
		marks, track, what = r.Beeps, r.Audio, "beep"
	}
	if want.Open || track == nil || len(marks) == 0 {
		return
	}
	lead, tail := marks[0]-track.First, track.End-marks[len(marks)-1]
	found.unless(want.Lead == 0 || (lead-want.Lead).Abs() <= maxEdge,
		"the first %s comes %v after the begin, not %v: the begin is not the source's", what, lead, want.Lead)
	found.unless(want.Tail == 0 || tail >= want.Tail-maxEdge,
		"%v of the end after the last %s, not %v: it was cut", tail, what, want.Tail)
}

// Black says that there is a picture and nothing to be seen in it.
func (r Report) Black() bool { return r.Video != nil && r.Luma <= blackLuma }

// Length is from the first packet to the end of the last.
func (r Report) Length() time.Duration {
	first, end := time.Duration(math.MaxInt64), time.Duration(0)
	for _, t := range []*TrackReport{r.Video, r.Audio} {
		if t != nil {
			first, end = min(first, t.First), max(end, t.End)
		}
	}
	return max(end-first, 0)
}

func parseSize(s string) (width, height int) {
	_, _ = fmt.Sscanf(s, "%dx%d", &width, &height) // 0 when it is none
	return width, height
}
