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
	e := &encodedTrack{coder: coder, heard: -clock.Forever}
	if coder.Output().Type == media.Video {
		e.hold = newFrameHold()
	}
	return e
}

func (e *encodedTrack) track() media.Track {
	t := e.coder.Output()
	if e.told != nil {
		t.Extradata = e.told
	}
	return t
}

func (e *encodedTrack) takeDamaged() int64 { return e.coder.Damaged() }

func (e *encodedTrack) close() {
	if e != nil {
		e.coder.Close()
	}
}

func (e *encodedTrack) put(p media.Packet) ([]media.Packet, error) {
	p.Own() // a coder keeps it
	if e.hold == nil {
		return e.putSound(p)
	}
	before, err := e.refill()
	if err != nil {
		return before, err
	}
	e.hold.put(p)
	out, err := e.coder.Transcode(p)
	return append(before, e.hold.passed(out)...), err
}

func (e *encodedTrack) putSound(p media.Packet) ([]media.Packet, error) {
	if p.PTS-e.heard > smallHole {
		e.holeFrom, e.holeTo = e.heard, p.PTS
	}
	e.heard = max(e.heard, p.PTS+p.Duration)
	out, err := e.coder.Transcode(p)
	for i := range out {
		if out[i].PTS >= e.holeFrom && out[i].PTS+out[i].Duration <= e.holeTo {
			out[i].Origin = media.Filled
		}
	}
	return out, err
}

func (e *encodedTrack) flush() ([]media.Packet, error) {
	if e.hold == nil {
		return e.coder.Flush()
	}
	before, err := e.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := e.coder.Flush()
	e.hold.emptied, e.hold.settled = true, max(e.hold.settled, e.hold.newest)
	return append(before, e.hold.passed(out)...), err
}

// input goes on with another track of the source; what the old decoder held comes out.
func (e *encodedTrack) input(t media.Track) ([]media.Packet, error) {
	if e.hold == nil {
		return e.coder.Input(t)
	}
	before, err := e.refillUnshown()
	if err != nil {
		return before, err
	}
	out, err := e.coder.Input(t)
	e.hold.passed(out)
	e.hold.restart()
	return append(before, out...), err
}

// refillUnshown is for the end of what a decoder is given: what it was emptied of
// is to be shown, too.
func (e *encodedTrack) refillUnshown() ([]media.Packet, error) {
	if e.hold.newest <= e.hold.settled {
		return nil, nil
	}
	return e.refill()
}

// skipBefore begins with what stands at t.
func (e *encodedTrack) skipBefore(t time.Duration) {
	if e == nil {
		return
	}
	e.coder.SkipBefore(t)
	if e.hold != nil {
		e.hold.from, e.hold.due = t, t // even if nothing was shown yet
	}
}

// makeNothingBefore keeps what would fill a hole before t from being made up: a picture
// that is repeated, the silence of an encoder.
func (e *encodedTrack) makeNothingBefore(t time.Duration) {
	switch {
	case e == nil:
	case e.hold == nil:
		e.skipBefore(t)
	default:
		e.hold.from = max(e.hold.from, t)
	}
}

// skipFrom leaves out what stands at t or later; 0 leaves out nothing.
func (e *encodedTrack) skipFrom(t time.Duration) {
	if e == nil {
		return
	}
	e.coder.SkipFrom(t)
	e.end = t
}

// stand keeps the picture before the viewers up to t, by when all that is shown
// until then was put in. What the decoder holds of it is brought out: some come
// out only when others follow. Nothing older is shown in its place.
func (e *encodedTrack) stand(t time.Duration) ([]media.Packet, error) {
	if e == nil {
		return nil, nil
	}
	s := e.hold
	if t <= s.settled || t < s.from {
		return nil, nil
	}
	var all []media.Packet
	for {
		first := s.first()
		out, err := e.repeat(min(t, first-1))
		if all = append(all, out...); err != nil || first > t || !s.mayEmpty(t) {
			return all, err
		}
		out, err = e.empty(t)
		if all = append(all, out...); err != nil {
			return all, err
		}
	}
}

// repeat shows the last picture again, as often as it is due until t.
func (e *encodedTrack) repeat(t time.Duration) (all []media.Packet, err error) {
	s := e.hold
	s.due = max(s.due, s.from, t-clock.MaxForward)
	for s.due <= t {
		out, err := e.coder.Repeat(s.due)
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
func (e *encodedTrack) empty(t time.Duration) ([]media.Packet, error) {
	out, err := e.refill()
	if err != nil {
		return out, err
	}
	end := t + 1
	if e.end > 0 {
		end = min(end, e.end)
	}
	e.coder.SkipFrom(end)
	last, err := e.coder.Flush()
	e.coder.SkipFrom(e.end)
	e.hold.settled, e.hold.emptied = max(e.hold.settled, t), true
	return append(out, e.hold.passed(last)...), err
}

// refill brings a decoder that was emptied to where it was. The pictures that it
// has given already are not later than what was shown, and left out.
func (e *encodedTrack) refill() (all []media.Packet, err error) {
	if !e.hold.emptied {
		return nil, nil
	}
	e.hold.emptied = false
	for _, p := range e.hold.gop.Packets() {
		out, err := e.coder.Transcode(p)
		if all = append(all, e.hold.passed(out)...); err != nil {
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
	s.gop.Reset()
	s.emptied, s.newest, s.inside, s.settled = false, -clock.Forever, nil, -clock.Forever
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
	return !s.gop.Empty() && !slices.ContainsFunc(s.inside, func(pts time.Duration) bool { return pts > t && !s.gop.Has(pts) })
}
