package libav

import (
	"errors"
	"time"

	"github.com/asticode/go-astiav"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// #include "demux.h"
import "C"

const (
	seekStep = 2 * time.Second // how far to go back when no keyframe was found; doubles
	// A seek has stalled when libav does not come back for jumpStalled (it may
	// have to look through a file that has no index), or gives no packet for
	// readStalled, while the source may still drip.
	jumpStalled = time.Minute
	readStalled = 10 * time.Second
	// mapEvery is how far apart program maps are at most (ETSI TR 101 290, 5.2.1).
	mapEvery = 500 * time.Millisecond
)

var errNotSeekable = errors.New("a live source cannot be sought")

// Seek moves to the video keyframe at or before pos, counted from the start of
// the source; without video, to the audio there. The first packets may be
// audio from before the keyframe. A pos beyond the end is the end.
func (s *Source) Seek(pos time.Duration) error {
	if s.info.Live {
		return &media.Error{Kind: media.KindInternal, Op: "seek", Err: errNotSeekable}
	}
	pos = max(pos, 0)
	if s.info.Duration > 0 {
		pos = min(pos, s.info.Duration)
	}
	return s.alone(func() error { return s.seek(s.info.StartTime + pos) })
}

func (s *Source) seek(target time.Duration) error {
	s.stall = time.AfterFunc(jumpStalled, func() { s.life.cancel(media.ErrStalled) })
	defer func() {
		s.stall.Stop()
		s.stall = nil
	}()
	if s.forwardOnly() {
		return s.readTo(target)
	}
	s.before = s.info.Tracks
	before := max(s.delay.By, 0) // where the sound is that is heard at target
	for from, step := target-before, seekStep; ; from, step = from-step, 2*step {
		from = max(from, s.info.StartTime)
		if err := s.jump(from); err != nil {
			return err
		}
		if !s.has(media.Video) {
			return s.soundAt(target)
		}
		ok, err := s.ahead.Settle(s.sought(), target, from < target || s.wraps() || s.varied)
		if err == nil && !ok && from == s.info.StartTime && s.audio >= 0 && s.ahead.Leads(s.sought(), target) {
			return s.soundBeforePicture(target)
		}
		if err != nil || ok || from == s.info.StartTime {
			return err
		}
	}
}

// wraps says that an FLV's clock starts again at zero on the way, about where it
// begins: libav has its first keyframe for the last then, and does not look on.
func (s *Source) wraps() bool { return s.info.Container == "flv" && s.info.StartTime < 0 }

// soundAt goes on from a jump to target.
func (s *Source) soundAt(target time.Duration) error {
	if !s.wraps() && !s.varied {
		return nil
	}
	return s.ahead.Pass(s.sought(), target)
}

// forwardOnly says whether the server gives the source from its beginning only
// (no range requests).
func (s *Source) forwardOnly() bool { return C.rc_seekable(cFormat(s.format)) == 0 }

// typeOf is of a packet's track.
func (s *Source) typeOf(p media.Packet) media.MediaType { return s.info.Tracks[p.Track].Type }

func (s *Source) sought() clock.Reader {
	return clock.Reader{Read: s.read, Type: s.typeOf}
}

// soundBeforePicture goes to target, which lies before the first picture: a
// demuxer that looks for the picture leaves out what sounds before.
func (s *Source) soundBeforePicture(target time.Duration) error {
	if err := s.jumpOn(s.audio, target); err != nil {
		return err
	}
	return s.ahead.Pass(s.sought(), target)
}

// readTo reads on to target and drops what comes before. It goes as fast as
// the server gives, and never back.
func (s *Source) readTo(target time.Duration) error {
	if s.has(media.Video) {
		_, err := s.ahead.Settle(s.sought(), target, true)
		return err
	}
	return s.ahead.Pass(s.sought(), target)
}

// jump moves the demuxer to where it thinks the keyframe is.
func (s *Source) jump(to time.Duration) error { return s.jumpOn(s.leading(), to) }

// jumpOn is jump for the stream of an index.
func (s *Source) jumpOn(index int, to time.Duration) error {
	s.stall.Reset(jumpStalled)
	s.ahead.Packets = nil
	s.delay.Reset()
	s.vorbis.reset()
	s.edits.reset()
	s.untimed.reset()
	s.rivals, s.adopted = [2]*rival{}, nil
	before := s.varied
	if err := s.scope.run(func() error { return s.seekFrame(index, to) }); err != nil {
		return s.failure("seek", err)
	}
	if s.varied = before || C.rc_left(s.reader, 0) != 0 || C.rc_left(s.reader, 1) != 0; s.varied && !before {
		return s.jumpOn(index, to)
	}
	if s.varied {
		C.rc_doubt(s.reader)
		s.await()
	}
	return nil
}

// seekFrame moves the demuxer to a time. In a stream that has changed its codec, to
// before the program map that is to be known there.
func (s *Source) seekFrame(index int, to time.Duration) error {
	flags := astiav.NewSeekFlags(astiav.SeekFlagBackward)
	if s.varied {
		to -= mapEvery
	}
	if s.varied && to < s.info.StartTime {
		return s.format.SeekFrame(index, 0, flags.Add(astiav.SeekFlagByte))
	}
	base := s.format.Streams()[index].TimeBase()
	ts := astiav.RescaleQRnd(int64(to), astiav.NewRational(1, int(time.Second)), base, astiav.RoundingDown)
	return s.format.SeekFrame(index, ts, flags)
}
