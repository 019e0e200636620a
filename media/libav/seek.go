package libav

// #include "demux.h"
import "C"

import (
	"errors"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

const (
	seekStep = 2 * time.Second // how far to go back when no keyframe was found; doubles
	// A seek has stalled when libav does not come back for jumpStalled (it may
	// have to look through a file that has no index), or gives no packet for
	// readStalled, and no more than a drip has come of the source meanwhile.
	jumpStalled = time.Minute
	readStalled = 10 * time.Second
)

var errNotSeekable = errors.New("a live source cannot be sought")

// Seek moves to the video keyframe at or before pos, counted from the start of
// the source; without video, to the audio there. The first packets may be
// audio from before the keyframe. A pos beyond the end is the end.
func (s *Source) Seek(pos time.Duration) error {
	if s.container.info.Live {
		return &media.Error{Kind: media.KindInternal, Op: "seek", Err: errNotSeekable}
	}
	pos = max(pos, 0)
	if s.container.info.Duration > 0 {
		pos = min(pos, s.container.info.Duration)
	}
	return s.alone(func() error { return s.seek(s.container.info.StartTime + pos) })
}

func (s *Source) seek(target time.Duration) error {
	defer s.container.life.watch(jumpStalled)()
	if s.container.forwardOnly() {
		return s.readTo(target)
	}
	leading := s.demuxer.roles.leading()
	// libav may go a fragment too far back with the picture alone, where each track has
	// its times of the fragments (sidx).
	partial := C.rc_partial(cFormat(s.container.format), C.int(leading)) != 0
	before := max(s.delay.By, 0) // where the sound is that is heard at target
	for from, step := target-before, seekStep; ; from, step = from-step, 2*step {
		from = max(from, s.container.info.StartTime)
		if err := s.jump(leading, from); err != nil {
			return err
		}
		if !s.demuxer.roles.has(media.Video) {
			return s.ahead.Pass(s.sought(), target) // a container's index may have no more than each fifth second
		}
		ok, err := s.ahead.Settle(s.sought(), target, partial || from < target || s.wraps() || s.demuxer.varied)
		if err == nil && !ok && from == s.container.info.StartTime && s.demuxer.roles.audio >= 0 && s.ahead.Leads(s.sought(), target) {
			return s.soundBeforePicture(target)
		}
		if err != nil || ok || from == s.container.info.StartTime {
			return err
		}
	}
}

// wraps says that an FLV's clock starts again at zero on the way, about where it
// begins: libav has its first keyframe for the last then, and does not look on.
func (s *Source) wraps() bool {
	return s.container.info.Container == "flv" && s.container.info.StartTime < 0
}

func (s *Source) sought() clock.Reader {
	return clock.Reader{Read: s.read, Type: s.demuxer.roles.typeOf}
}

// soundBeforePicture goes to target, which lies before the first picture: a
// demuxer that looks for the picture leaves out what sounds before.
func (s *Source) soundBeforePicture(target time.Duration) error {
	if err := s.jump(s.demuxer.roles.audio, target); err != nil {
		return err
	}
	return s.ahead.Pass(s.sought(), target)
}

// readTo reads on to target and drops what comes before. It goes as fast as
// the server gives, and never back.
func (s *Source) readTo(target time.Duration) error {
	if s.demuxer.roles.has(media.Video) {
		_, err := s.ahead.Settle(s.sought(), target, true)
		return err
	}
	return s.ahead.Pass(s.sought(), target)
}

// jump moves to where libav thinks the keyframe of a stream at a time is. What has
// been read before is forgotten.
func (s *Source) jump(stream int, to time.Duration) error {
	s.ahead.Packets = nil
	s.delay.Reset()
	s.retimer.reset()
	return s.demuxer.jump(stream, to)
}
