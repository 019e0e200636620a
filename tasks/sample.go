package tasks

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// SampleEvery is what a sample tells of.
	SampleEvery = 10 * time.Second
	// MaxSamples are kept of a push: those of an hour.
	MaxSamples = 360
)

// leastSample is how long the last sample of an attempt tells of at least: rates
// of less are none.
const leastSample = time.Second

// Sample is how a push went for SampleEvery; the last one of an attempt is of what
// was left.
type Sample struct {
	At             time.Time // its end
	Bitrate        media.BitsPerSecond
	FPS            float64       // pictures sent per second
	Lateness       time.Duration // of the packet that left latest
	DroppedPackets int64
}

// samples are what an attempt's renews make of what its meter tells.
type samples struct {
	begin, due time.Time // of the present one; zero before the first
	over       bool      // none follows
	untold     []Sample  // those the store lacks, oldest first
}

// look makes a sample if it is time for one. Each is due SampleEvery after the
// one before was, so that renews which come late do not add up. since tells what
// was sent after it was called before.
func (s *samples) look(now time.Time, since func() media.Sent) {
	if s.due.IsZero() && !s.over {
		_ = since()
		s.begin, s.due = now, now.Add(SampleEvery)
		return
	}
	if s.over || now.Before(s.due) {
		return
	}
	s.take(now, since())
	s.begin, s.due = now, s.due.Add(SampleEvery)
	if !now.Before(s.due) { // the worker stood still
		s.due = now.Add(SampleEvery)
	}
}

// end makes the last sample, of what was sent since the one before.
func (s *samples) end(now time.Time, since func() media.Sent) {
	if !s.over && !s.begin.IsZero() && now.Sub(s.begin) >= leastSample {
		s.take(now, since())
	}
	s.over = true
}

func (s *samples) take(now time.Time, sent media.Sent) {
	over := now.Sub(s.begin).Seconds()
	s.untold = append(s.untold, Sample{
		At: now, Bitrate: media.BitsPerSecond(float64(sent.Bytes*8) / over), FPS: float64(sent.Pictures) / over,
		Lateness: sent.Lateness, DroppedPackets: sent.Dropped,
	})
	s.untold = s.untold[max(len(s.untold)-MaxSamples, 0):]
}

// told drops those that the store has taken.
func (s *samples) told(taken []Sample) {
	for len(taken) > 0 && len(s.untold) > 0 && !s.untold[0].At.After(taken[len(taken)-1].At) {
		s.untold = s.untold[1:]
	}
}
