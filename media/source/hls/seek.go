package hls

import (
	"io"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
)

const seekStep = 2 * time.Second // how far to go back when no keyframe was found; doubles

// Seek moves to the video keyframe at or before pos, counted from the start of
// the source; without video, to the audio there. The first packets may be
// audio from before the keyframe. A pos beyond the end is the end.
func (s *Source) Seek(pos time.Duration) error {
	if s.info.Live {
		return &media.Error{Kind: media.KindInternal, Op: "seek", Err: errNotSeekable}
	}
	begin := s.info.StartTime
	target := begin + min(max(pos, 0), s.info.Duration)
	before := max(s.delay.By, 0) // where the sound is that is heard at target
	for from, step := target-before, seekStep; ; from, step = from-step, 2*step {
		from = max(from, begin)
		if err := s.jump(from - begin); err != nil {
			return err
		}
		if !s.has(media.Video) {
			return s.ahead.Pass(s.sought(), target)
		}
		found, err := s.ahead.Settle(s.sought(), target, true)
		if err == nil && !found && from == begin && s.has(media.Audio) && s.ahead.Leads(s.sought(), target) {
			return s.soundBeforePicture(target)
		}
		if err != nil || found || from == begin {
			return err
		}
	}
}

// jump starts the chains anew with the segments that a time is in.
func (s *Source) jump(to time.Duration) error {
	s.ahead.Packets = nil
	s.delay.Reset()
	tracks := len(s.info.Tracks)
	for _, c := range s.chains {
		if err := c.stop(); err != nil {
			return err
		}
	}
	for _, c := range s.chains {
		i := slices.IndexFunc(c.list.segments, func(g segment) bool { return g.end() > to })
		if i < 0 {
			i = len(c.list.segments) - 1
		}
		c.start(c.list.segments[i].number)
	}
	for _, c := range s.chains {
		if err := c.next(); err != nil && err != io.EOF { //nolint:errorlint // as media.Source has it
			return err
		}
	}
	for _, m := range []media.MediaType{media.Video, media.Audio} {
		t, role := s.track(m), s.role(m)
		if t == nil {
			continue
		}
		if role == tracks {
			return &media.Error{Kind: media.KindSourceUnsupported, Op: "seek", Err: errOtherTracks}
		}
		now := slices.Clone(s.info.Tracks) // the one before was given away
		now[role] = *t
		s.info.Tracks = now
	}
	main := s.chains[0]
	first, found, err := main.lead(s.leading())
	if !found {
		return err
	}
	in := *main.feed.first.segment
	s.timeline.begin(in, first, in.clock != main.list.segments[0].clock)
	return nil
}

// typeOf is of a packet's track.
func (s *Source) typeOf(p media.Packet) media.MediaType { return s.info.Tracks[p.Track].Type }

func (s *Source) sought() clock.Reader { return clock.Reader{Read: s.read, Type: s.typeOf} }

// soundBeforePicture goes to target, which lies before the first picture. A playlist
// may tell too short a time of a segment that begins without a picture.
func (s *Source) soundBeforePicture(target time.Duration) error {
	if err := s.jump(0); err != nil {
		return err
	}
	return s.ahead.Pass(s.sought(), target)
}
