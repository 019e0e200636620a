package libav

import (
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	// longestStill is how long a picture stands before it is sent once more, so
	// that a hole in the source does not look like a stream that has stalled.
	longestStill = time.Second
	// longestHole is where a hole is left as it is: the sound has gone on when
	// its end is known, and what is sent behind it would come too late. Who
	// knows sooner calls Repeat.
	longestHole = 2 * time.Second
)

// stillPicture is a picture that stands until the next one comes.
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
func (s *stillPicture) hold(f *astiav.Frame, at time.Duration) error {
	if s.frame == nil {
		if s.frame = astiav.AllocFrame(); s.frame == nil {
			return errNoMemory
		}
	}
	s.frame.Unref()
	s.at = at
	return s.frame.Ref(f)
}

func (s *stillPicture) drop() {
	if s.frame != nil {
		s.frame.Free()
		s.frame = nil
	}
}

// repeat shows the picture that stands once more: after a seek, that from before
// the place.
func (v *videoStage) repeat(at time.Duration) error {
	over := v.until > 0 && at >= v.until
	switch {
	case at < v.skip || over || v.began && at <= v.last:
		return nil
	case v.before.frame != nil:
		return v.showBefore(at)
	case v.still.frame == nil:
		return nil
	}
	v.last, v.still.at, v.skips = at, at, false
	return v.coder.encode(v.still.frame, at, media.Taken)
}

// again shows the picture of a source that is one (image) without decoding it
// again; shown says whether it could.
func (v *videoStage) again(at time.Duration, guess float64) (shown bool, err error) {
	if at < v.skip || v.still.frame == nil && v.before.frame == nil {
		return false, nil
	}
	v.come(at, guess)
	err = v.repeat(at)
	return v.last == at, err
}

// showBefore shows what was decoded and left out.
func (v *videoStage) showBefore(at time.Duration) error {
	f := v.before.frame
	v.before.frame = nil
	defer f.Free()
	f.SetPts(int64(at))
	if err := v.show(f, at, v.stood); err != nil || v.form.graph == nil {
		return err
	}
	return v.drain(false) // a filter may keep it until the next one
}
