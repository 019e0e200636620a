package libav

import (
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

const errOtherTracks = media.Sentence("the source's playlist goes on, where the push is to, with other tracks than it began with, which cannot be played")

// reopen opens a playlist at the segment that target is in. libav's own seek
// finds it, too, and then drops packets until the clock shows the segment's
// place in the playlist: to the end, where each segment's clock begins anew.
func (s *Source) reopen(target time.Duration) error {
	before := s.before
	s.closeFormat()
	s.life.probeAgain()
	// What is left out is said at the level of what failed.
	s.scope.hush(true)
	defer s.scope.hush(false)
	if err := s.openFormat(target - s.info.StartTime); err != nil {
		return err
	}
	if err := s.find(); err != nil {
		return err
	}
	if err := s.pick(); err != nil {
		return err
	}
	for _, now := range s.info.Tracks {
		if !slices.ContainsFunc(before, func(t media.Track) bool { return t.Type == now.Type }) {
			return &media.Error{Kind: media.KindSourceUnsupported, Op: "seek", Err: errOtherTracks}
		}
	}
	s.expect(before)
	for i, t := range s.info.Tracks {
		if t.Codec != before[i].Codec {
			s.news[i] = &t
		}
	}
	s.timeline.begin(s.watch.first, s.lead)
	return nil
}
