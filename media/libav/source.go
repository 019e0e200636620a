package libav

import (
	"cmp"
	"sync"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

// Source is a source opened by libav. A packet comes out of ReadPacket through
//
//   - container: libav reads the next one, of whichever stream,
//   - demuxer: is its stream one of the two that are played?
//   - retimer: the container's own faults in its times are mended,
//   - SoundDelay: the sound is moved against the picture, where that was asked for,
//   - Ahead: what a seek has read in search of its keyframe comes first.
//
// Each calls the one above it in this list, and none back.
type Source struct {
	container *container
	demuxer   *demuxer
	retimer   retimer // nil until it is open
	delay     clock.SoundDelay
	ahead     clock.Ahead
	once      sync.Once
	busy      sync.Mutex // held while libav works for it
	freed     bool       // nothing is left to read from; guarded by busy
}

var _ media.Source = (*Source)(nil)

func (s *Source) open() error {
	if err := s.container.open(false); err != nil {
		return err
	}
	if s.container.indexAtEnd() {
		return &media.Error{Kind: media.KindSourceUnsupported, Op: opOpen, Err: errIndexAtEnd}
	}
	if err := s.container.find(); err != nil {
		return err
	}
	s.container.describe()
	if err := s.demuxer.pick(); err != nil {
		return err
	}
	s.retimer = newRetimer(s.demuxer)
	s.container.info.Retimed = s.demuxer.retimed()
	return nil
}

// Info returns what the source turned out to be.
func (s *Source) Info() media.SourceInfo {
	i := s.container.info
	i.Tracks, i.Streams = s.demuxer.roles.tracks, s.demuxer.streams
	return i
}

const opRead = "read source"

// ReadPacket returns the next packet of a chosen track, io.EOF after the last,
// media.ErrLateVideo once. The packet is the caller's.
func (s *Source) ReadPacket() (media.Packet, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.freed {
		return media.Packet{}, s.container.life.ended(opRead)
	}
	if p, ok := s.ahead.Take(); ok {
		return p, nil
	}
	return s.read()
}

// read reads the next packet that no seek has read ahead.
func (s *Source) read() (media.Packet, error) {
	p, err := s.readDelayed()
	if err == nil {
		p.Change, s.ahead.News[p.Track] = cmp.Or(p.Change, s.ahead.News[p.Track]), nil
	}
	return p, err
}

func (s *Source) readDelayed() (media.Packet, error) {
	if s.delay.Counts(s.demuxer.roles.tracks) {
		return s.delay.Read(s.retimer.read, s.demuxer.roles.typeOf)
	}
	return s.retimer.read()
}

// Close frees everything, once, also while another method runs, which ends: it is
// interrupted, and waited for.
func (s *Source) Close() error {
	s.once.Do(func() {
		s.container.life.interrupt()
		s.busy.Lock()
		defer s.busy.Unlock()
		s.free()
		trimHeap()
	})
	return nil
}

// alone calls f, which lets libav work, while nothing else does.
func (s *Source) alone(f func() error) error {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.freed {
		return s.container.life.ended("use source")
	}
	return media.Caught(f)
}

func (s *Source) free() {
	s.freed = true
	if s.retimer != nil {
		s.retimer.close()
	}
	s.container.close()
	s.demuxer.forget()
	s.ahead.Packets = nil
}
