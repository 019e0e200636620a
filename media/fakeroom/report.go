package fakeroom

import (
	"fmt"
	"time"
)

// Report is a session summed up for a person.
type Report struct {
	Wall         time.Duration // from the first packet to the last
	Video, Audio time.Duration // decodable media received, by DTS
	// Ratio is media time over wall time: 1 is real time.
	Ratio    float64
	Problems []string // in words; empty when all is well
}

// Report sums the session up. Decodable is what can be said without decoding:
// it starts at an IDR picture with SPS and PPS, an AudioSpecificConfig came
// first, every frame's NAL units fit. Each broken frame is taken off.
func (s Session) Report() Report {
	r := Report{
		Wall:  max(s.Video.Wall(), s.Audio.Wall()),
		Video: s.Video.decodable(len(s.VideoConfigs)),
		Audio: s.Audio.decodable(len(s.AudioConfigs)),
	}
	if r.Wall > 0 {
		r.Ratio = float64(max(s.Video.Span(), s.Audio.Span())) / float64(r.Wall)
	}
	for _, v := range s.Violations {
		r.Problems = append(r.Problems, fmt.Sprintf("%s at %v: %s", v.Kind, v.DTS, v.Words))
	}
	if more := s.ViolationCount - len(s.Violations); more > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("and %d more", more))
	}
	return r
}

func (t TrackStats) decodable(configs int) time.Duration {
	if configs == 0 {
		return 0
	}
	return max(0, t.Span()-time.Duration(t.Broken)*t.FrameDuration)
}

// Check says, with an error, whether less than d of video or audio came, or
// whether it did not come in real time: within 5 %, half a second, and what a busy machine
// may add.
func (r Report) Check(d, busy time.Duration) error {
	media := max(r.Video, r.Audio)
	tolerance := r.Wall/20 + 500*time.Millisecond + busy
	switch {
	case r.Video < d:
		return fmt.Errorf("only %v of decodable video, not %v", r.Video, d)
	case r.Audio < d:
		return fmt.Errorf("only %v of decodable audio, not %v", r.Audio, d)
	case (r.Wall - media).Abs() > tolerance:
		return fmt.Errorf("not in real time: %v of media in %v", media, r.Wall)
	}
	return nil
}

func (r Report) String() string {
	return fmt.Sprintf("video %.1f s, audio %.1f s in %.1f s (%.2f x real time), %d problems",
		r.Video.Seconds(), r.Audio.Seconds(), r.Wall.Seconds(), r.Ratio, len(r.Problems))
}
