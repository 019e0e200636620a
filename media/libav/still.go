package libav

import (
	"time"

	"github.com/asticode/go-astiav"
)

const (
	// longestStill is how long a picture stands before it is sent once more, so
	// that a hole in the source does not look like a stream that has stalled.
	longestStill = time.Second
	// longestHole is where a hole is left as it is: the sound has gone on when
	// its end is known, and what is sent behind it would come too late.
	longestHole = 2 * time.Second
)

// stillPicture is the picture that was shown last.
type stillPicture struct {
	frame *astiav.Frame // nil before the first
	at    time.Duration
}

// between returns when it is to be shown again before the next picture comes.
func (s *stillPicture) between(next time.Duration) []time.Duration {
	hole := next - s.at
	if s.frame == nil || hole <= longestStill || hole > longestHole {
		return nil
	}
	return []time.Duration{s.at + hole/2}
}

// hold keeps a picture instead of the one before.
func (s *stillPicture) hold(f *astiav.Frame) error {
	if s.frame == nil {
		if s.frame = astiav.AllocFrame(); s.frame == nil {
			return errNoMemory
		}
	}
	s.frame.Unref()
	s.at = time.Duration(f.Pts())
	return s.frame.Ref(f)
}

func (s *stillPicture) close() {
	if s.frame != nil {
		s.frame.Free()
	}
}
