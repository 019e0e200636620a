package hls

import (
	"cmp"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	seekStep = 2 * time.Second // how far to go back when no keyframe was found; doubles
	// leastLead is by how much sound must begin before the picture to count.
	leastLead = 300 * time.Millisecond
)

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
			return s.passTo(target)
		}
		found, err := s.settle(target)
		if err == nil && !found && from == begin && s.leads(target) {
			return s.soundBeforePicture(target)
		}
		if err != nil || found || from == begin {
			return err
		}
	}
}

// jump starts the chains anew with the segments that a time is in.
func (s *Source) jump(to time.Duration) error {
	s.pending = nil
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

// passTo drops the sound before target.
func (s *Source) passTo(target time.Duration) error {
	var change *media.Track
	for {
		p, err := s.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		change = cmp.Or(p.Change, change)
		if p.NoDTS || p.DTS+p.Duration >= target {
			p.Change = change
			s.pending = []media.Packet{p}
			return nil
		}
	}
}

// settle reads ahead to target. The last keyframe on the way is where the source
// continues. It returns false when there was none.
func (s *Source) settle(target time.Duration) (bool, error) {
	ahead := media.LookAhead{Scanning: true}
	for !ahead.Done {
		p, err := s.read()
		if err == io.EOF { //nolint:errorlint // as media.Source has it
			break
		}
		if err != nil {
			return false, err
		}
		ahead.Add(p, s.info.Tracks[p.Track].Type == media.Video, target)
	}
	s.pending = ahead.Held
	for i, told := range ahead.Told {
		s.news[i] = cmp.Or(told, s.news[i])
	}
	return ahead.Found, nil
}

// leads says whether of what has been read ahead the picture begins so much after
// target that there is sound to be heard before.
func (s *Source) leads(target time.Duration) bool {
	first := slices.IndexFunc(s.pending, func(p media.Packet) bool { return s.info.Tracks[p.Track].Type == media.Video })
	if !s.has(media.Audio) || first < 0 {
		return false
	}
	p := s.pending[first]
	return p.Keyframe && !p.NoPTS && p.PTS-target >= leastLead
}

// soundBeforePicture goes to target, which lies before the first picture. A playlist
// may tell too short a time of a segment that begins without a picture.
func (s *Source) soundBeforePicture(target time.Duration) error {
	if err := s.jump(0); err != nil {
		return err
	}
	return s.passTo(target)
}
