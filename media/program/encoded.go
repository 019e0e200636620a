package program

import (
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// encodedTrack re-encodes. Of no track, nil, what it makes is nothing, and what it is told
// has no effect: nothing else has a decoder to leave out packets of.
type encodedTrack struct {
	coder media.Transcoder
	// told is the configuration of the sound that was copied before, where it
	// does for what comes out, too: viewers are told nothing new.
	told []byte
	hold *frameHold    // nil: it is sound
	end  time.Duration // as skipFrom was told
	// Of sound: where what was put in ends, and the last hole before: an encoder
	// fills it.
	heard            time.Duration
	holeFrom, holeTo time.Duration
}

func newEncodedTrack(coder media.Transcoder) *encodedTrack {
	l := &encodedTrack{coder: coder, heard: -clock.Forever}
	if coder.Output().Type == media.Video {
		l.hold = newFrameHold()
	}
	return l
}

func (l *encodedTrack) track() media.Track {
	t := l.coder.Output()
	if l.told != nil {
		t.Extradata = l.told
	}
	return t
}

func (l *encodedTrack) takeDamaged() int64 { return l.coder.Damaged() }

func (l *encodedTrack) close() {
	if l != nil {
		l.coder.Close()
	}
}

func (l *encodedTrack) put(p media.Packet) ([]media.Packet, error) {
	if l.hold == nil {
		return l.putSound(p)
	}
	before, err := l.refill()
	if err != nil {
		return before, err
	}
	l.hold.put(p)
	out, err := l.coder.Transcode(p)
	return append(before, l.hold.passed(out)...), err
}

func (l *encodedTrack) putSound(p media.Packet) ([]media.Packet, error) {
	if p.PTS-l.heard > smallHole {
		l.holeFrom, l.holeTo = l.heard, p.PTS
	}
	l.heard = max(l.heard, p.PTS+p.Duration)
	out, err := l.coder.Transcode(p)
	for i := range out {
		if out[i].PTS >= l.holeFrom && out[i].PTS+out[i].Duration <= l.holeTo {
			out[i].Origin = media.Filled
		}
	}
	return out, err
}

func (l *encodedTrack) flush() ([]media.Packet, error) {
	if l.hold == nil {
		return l.coder.Flush()
	}
	before, err := l.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := l.coder.Flush()
	l.hold.emptied, l.hold.settled = true, max(l.hold.settled, l.hold.newest)
	return append(before, l.hold.passed(out)...), err
}

// input goes on with another track of the source; what the old decoder held comes out.
func (l *encodedTrack) input(t media.Track) ([]media.Packet, error) {
	if l.hold == nil {
		return l.coder.Input(t)
	}
	before, err := l.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := l.coder.Input(t)
	l.hold.passed(out)
	l.hold.restart()
	return append(before, out...), err
}

// refillUnshown is for the end of what a decoder is given: what it was emptied of
// is to be shown, too.
func (l *encodedTrack) refillUnshown() ([]media.Packet, error) {
	if l.hold.newest <= l.hold.settled {
		return nil, nil
	}
	return l.refill()
}

// skipBefore begins with what stands at t.
func (l *encodedTrack) skipBefore(t time.Duration) {
	if l == nil {
		return
	}
	l.coder.SkipBefore(t)
	if l.hold != nil {
		l.hold.from, l.hold.due = t, t // even if nothing was shown yet
	}
}

// makeNothingBefore keeps what would fill a hole before t from being made up: a picture
// that is repeated, the silence of an encoder.
func (l *encodedTrack) makeNothingBefore(t time.Duration) {
	switch {
	case l == nil:
	case l.hold == nil:
		l.skipBefore(t)
	default:
		l.hold.from = max(l.hold.from, t)
	}
}

// skipFrom leaves out what stands at t or later; 0 leaves out nothing.
func (l *encodedTrack) skipFrom(t time.Duration) {
	if l == nil {
		return
	}
	l.coder.SkipFrom(t)
	l.end = t
}

// stand keeps the picture before the viewers up to t, by when all that is shown
// until then was put in. What the decoder holds of it is brought out: some come
// out only when others follow. Nothing older is shown in its place.
func (l *encodedTrack) stand(t time.Duration) ([]media.Packet, error) {
	if l == nil {
		return nil, nil
	}
	s := l.hold
	if t <= s.settled || t < s.from {
		return nil, nil
	}
	var all []media.Packet
	for {
		first := s.first()
		out, err := l.repeat(min(t, first-1))
		if all = append(all, out...); err != nil || first > t || !s.mayEmpty(t) {
			return all, err
		}
		out, err = l.empty(t)
		if all = append(all, out...); err != nil {
			return all, err
		}
	}
}

// repeat shows the last picture again, as often as it is due until t.
func (l *encodedTrack) repeat(t time.Duration) (all []media.Packet, err error) {
	s := l.hold
	s.due = max(s.due, s.from, t-clock.MaxForward)
	for s.due <= t {
		out, err := l.coder.Repeat(s.due)
		if err != nil || len(out) == 0 {
			return all, err
		}
		for i := range out {
			out[i].Origin = media.Held
		}
		s.stood = s.due
		all = append(all, s.passed(out)...)
	}
	return all, nil
}

// empty brings out of the decoder what is shown until t.
func (l *encodedTrack) empty(t time.Duration) ([]media.Packet, error) {
	out, err := l.refill()
	if err != nil {
		return out, err
	}
	end := t + 1
	if l.end > 0 {
		end = min(end, l.end)
	}
	l.coder.SkipFrom(end)
	last, err := l.coder.Flush()
	l.coder.SkipFrom(l.end)
	l.hold.settled, l.hold.emptied = max(l.hold.settled, t), true
	return append(out, l.hold.passed(last)...), err
}

// refill brings a decoder that was emptied to where it was. The pictures that it
// has given already are not later than what was shown, and left out.
func (l *encodedTrack) refill() (all []media.Packet, err error) {
	if !l.hold.emptied {
		return nil, nil
	}
	l.hold.emptied = false
	for _, p := range l.hold.gop.Packets {
		out, err := l.coder.Transcode(p)
		if all = append(all, l.hold.passed(out)...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// frameHold tells of a re-encoded picture what its decoder holds, and until when
// what came out of it stands. Times are the room's.
type frameHold struct {
	gop     bitstream.GOP   // with it a decoder goes on that was emptied
	emptied bool            // it was, behind gop
	newest  time.Duration   // PTS that was put in
	inside  []time.Duration // PTS that were put in and are not settled
	settled time.Duration   // no picture is inside that is to be shown until here
	from    time.Duration   // nothing is made up before
	due     time.Duration   // when the picture is to be shown again
	early   time.Duration   // what is shown before was put in ahead of its time
	stood   time.Duration   // when one was shown again last
	// copies is what copies the picture again once it does not stand any more; nil
	// where it is re-encoded for another reason.
	copies *copiedTrack
}

func newFrameHold() *frameHold {
	return &frameHold{newest: -clock.Forever, settled: -clock.Forever, from: -clock.Forever, due: clock.Forever, early: -clock.Forever}
}

// restart is for a new decoder.
func (s *frameHold) restart() {
	s.gop, s.emptied, s.newest, s.inside, s.settled = bitstream.GOP{}, false, -clock.Forever, nil, -clock.Forever
}

func (s *frameHold) put(p media.Packet) {
	s.gop.Add(p)
	if p.Origin == media.Held {
		s.early = p.PTS + p.Duration
	}
	if !p.Discard {
		s.newest = max(s.newest, p.PTS)
		s.settle()
		s.inside = append(s.inside, p.PTS)
	}
}

// passed takes note of what came out, and returns it.
func (s *frameHold) passed(out []media.Packet) []media.Packet {
	for i := range out {
		if out[i].PTS < s.early {
			out[i].Origin = media.Held
		}
	}
	if n := len(out); n > 0 {
		s.settled, s.due = max(s.settled, out[n-1].PTS), out[n-1].PTS+clock.FrameHold
	}
	return out
}

// first returns when the first picture is to be shown that the decoder still
// holds, forever if there is none.
func (s *frameHold) first() time.Duration {
	s.settle()
	if len(s.inside) == 0 {
		return clock.Forever
	}
	return slices.Min(s.inside)
}

// settle forgets what is not to be shown any more.
func (s *frameHold) settle() {
	s.inside = slices.DeleteFunc(s.inside, func(pts time.Duration) bool { return pts <= s.settled })
}

// mayEmpty says whether the decoder can get all again that is shown after t.
func (s *frameHold) mayEmpty(t time.Duration) bool {
	kept := func(pts time.Duration) bool {
		return slices.ContainsFunc(s.gop.Packets, func(p media.Packet) bool { return p.PTS == pts })
	}
	return len(s.gop.Packets) > 0 && !slices.ContainsFunc(s.inside, func(pts time.Duration) bool { return pts > t && !kept(pts) })
}
