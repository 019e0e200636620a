package media

import (
	"context"
	"slices"
	"time"
)

const (
	// stillWait is for how much of the source a picture is waited for that should
	// be shown already: as long as the sound is held for it.
	stillWait = fileHold
)

// still tells of a re-encoded picture what its decoder holds, and until when
// what came out of it stands. Times are the room's.
type still struct {
	gop     gopBuffer       // with it a decoder goes on that was emptied
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
	copies *copyLane
}

func newStill() *still {
	return &still{newest: -forever, settled: -forever, from: -forever, due: forever, early: -forever}
}

// restart is for a new decoder.
func (s *still) restart() {
	s.gop, s.emptied, s.newest, s.inside, s.settled = gopBuffer{}, false, -forever, nil, -forever
}

func (s *still) put(p Packet) {
	s.gop.add(p)
	if p.origin == held {
		s.early = p.PTS + p.Duration
	}
	if !p.Discard {
		s.newest = max(s.newest, p.PTS)
		s.settle()
		s.inside = append(s.inside, p.PTS)
	}
}

// passed takes note of what came out, and returns it.
func (s *still) passed(out []Packet) []Packet {
	for i := range out {
		if out[i].PTS < s.early {
			out[i].origin = held
		}
	}
	if n := len(out); n > 0 {
		s.settled, s.due = max(s.settled, out[n-1].PTS), out[n-1].PTS+stillTime
	}
	return out
}

// first returns when the first picture is to be shown that the decoder still
// holds, forever if there is none.
func (s *still) first() time.Duration {
	s.settle()
	if len(s.inside) == 0 {
		return forever
	}
	return slices.Min(s.inside)
}

// settle forgets what is not to be shown any more.
func (s *still) settle() {
	s.inside = slices.DeleteFunc(s.inside, func(pts time.Duration) bool { return pts <= s.settled })
}

// mayEmpty says whether the decoder can get all again that is shown after t.
func (s *still) mayEmpty(t time.Duration) bool {
	kept := func(pts time.Duration) bool {
		return slices.ContainsFunc(s.gop.packets, func(p Packet) bool { return p.PTS == pts })
	}
	return len(s.gop.packets) > 0 && !slices.ContainsFunc(s.inside, func(pts time.Duration) bool { return pts > t && !kept(pts) })
}

// stand keeps the picture before the viewers up to t, by when all that is shown
// until then was put in. What the decoder holds of it is brought out: some come
// out only when others follow. Nothing older is shown in its place.
func (l *codeLane) stand(t time.Duration) ([]Packet, error) {
	s := l.still
	if t <= s.settled || t < s.from {
		return nil, nil
	}
	var all []Packet
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
func (l *codeLane) repeat(t time.Duration) (all []Packet, err error) {
	s := l.still
	s.due = max(s.due, s.from, t-maxForward)
	for s.due <= t {
		out, err := l.Repeat(s.due)
		if err != nil || len(out) == 0 {
			return all, err
		}
		for i := range out {
			out[i].origin = held
		}
		s.stood = s.due
		all = append(all, s.passed(out)...)
	}
	return all, nil
}

// empty brings out of the decoder what is shown until t.
func (l *codeLane) empty(t time.Duration) ([]Packet, error) {
	out, err := l.refill()
	if err != nil {
		return out, err
	}
	end := t + 1
	if l.end > 0 {
		end = min(end, l.end)
	}
	l.Transcoder.SkipFrom(end)
	last, err := l.Flush()
	l.Transcoder.SkipFrom(l.end)
	l.still.settled, l.still.emptied = max(l.still.settled, t), true
	return append(out, l.still.passed(last)...), err
}

// refill brings a decoder that was emptied to where it was. The pictures that it
// has given already are not later than what was shown, and left out.
func (l *codeLane) refill() (all []Packet, err error) {
	if !l.still.emptied {
		return nil, nil
	}
	l.still.emptied = false
	for _, p := range l.still.gop.packets {
		out, err := l.Transcode(p)
		if all = append(all, l.still.passed(out)...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// reach is how far a feed has been put into the lanes, in the room's time.
type reach struct {
	heard  time.Duration // the sound
	behind time.Duration // the most by which a picture came behind it
}

// stand shows the picture again while the source goes on without one, which p
// tells; of a realtime source only the sound does: what is made up when the next
// picture has come is too late.
func (m *mixer) stand(ctx context.Context, media MediaType, p Packet) error {
	if media == Audio {
		m.reach.heard = max(m.reach.heard, p.DTS)
	} else {
		m.reach.behind = max(m.reach.behind, m.reach.heard-p.DTS)
		if m.feed.realtime {
			return nil
		}
	}
	t := p.DTS - m.reach.behind - stillWait
	if !m.feed.realtime && m.allShown(media, p) {
		t = p.DTS - 1
	}
	return m.standUntil(ctx, t)
}

// allShown says whether all that is shown before p, of a file, was put in: of a
// copied picture, which comes in order, or before one that comes after a hole.
func (m *mixer) allShown(media MediaType, p Packet) bool {
	switch l := m.lanes[Video].(type) {
	case *copyLane:
		return true
	case *codeLane:
		return media == Video && p.DTS-l.still.newest > stillTime
	default:
		return false
	}
}

// stands is until when the picture that is shown last is to be shown, as its
// container says, in the room's time. Where pictures are out of order, an mp4's
// may be said to last until the next one is decoded: it stands until the next one is
// shown.
type stands struct{ from, until time.Duration }

func (s *stands) note(p Packet) {
	switch {
	case p.PTS < s.from:
	case standsLong(p):
		*s = stands{p.PTS, p.PTS + p.Duration}
	default:
		*s = stands{p.PTS, 0}
	}
}

const reasonStands = "a picture stands for more than a second"

// steadyTime is for how long a picture that stood must go on by itself before it
// is copied again: slides come a few seconds apart, and with each change players
// get another decoder configuration.
const steadyTime = 10 * time.Second

// copyAgain notes what copies the picture of a source, or of a stream of it, that
// has just been taken, once it does not stand any more; decided is the plan for it.
func (m *mixer) copyAgain(decided *TrackPlan) {
	l, ok := m.lanes[Video].(*codeLane)
	if !ok || m.plan.Video.Reason != reasonStands || decided == nil {
		return
	}
	if decided.Action != Copy && decided.Reason != reasonStands {
		l.still.copies = nil
		m.setPlan(Video, TrackPlan{Action: Transcode, Reason: decided.Reason})
		return
	}
	l.still.copies = newCopyLane(m.rules, *m.sources[Video], m.feed.conformer(Video))
}

// resume copies the picture from p on, which is to be put in next, if it is
// re-encoded only because one stood and none does any more. It need not be so that
// it can: what is in p tells.
func (m *mixer) resume(p Packet) error {
	l, ok := m.lanes[Video].(*codeLane)
	if !ok || l.still.copies == nil {
		return nil
	}
	copies := l.still.copies
	copied, err := copies.put(p)
	if err != nil {
		l.still.copies = nil
		m.setPlan(Video, TrackPlan{Action: Transcode, Reason: err.Error()})
		return nil
	}
	if !p.Keyframe || p.Discard || len(copied) == 0 || standsLong(p) || p.PTS-l.still.stood < steadyTime || !m.continues(l, p) {
		return nil
	}
	out, err := l.flush()
	m.take(Video, out)
	if err != nil || p.PTS <= m.shown[Video] {
		return err
	}
	if err := m.spoiled(Video, p.DTS, l.takeDamaged()); err != nil {
		return err
	}
	l.close()
	copies.damaged = 0
	m.lanes[Video] = copies
	m.setPlan(Video, *decide(""))
	if !m.busy() {
		m.drain()
	}
	return nil
}

// continues says whether p, copied, is what follows all that l was given, and the
// same picture to viewers.
func (m *mixer) continues(l *codeLane, p Packet) bool {
	copies := l.still.copies
	return p.PTS > max(l.still.newest, m.shown[Video]) && m.shown[Video]-p.DTS < maxHurriedVideo &&
		copies.out.Extradata != nil && difference(shapeOf(l.track()), copies.shape) == ""
}

// standUntil keeps the picture before the viewers up to t. A copied one cannot be
// sent again: its track is re-encoded from here on.
func (m *mixer) standUntil(ctx context.Context, t time.Duration) error {
	if l, ok := m.lanes[Video].(*copyLane); ok {
		if t-m.shown[Video] < longestStand || len(l.gop.packets) == 0 || !m.mayRecode() {
			return nil
		}
		if _, err := m.change(ctx, Video, reasonStands, nil); err != nil {
			return err
		}
		if picture, ok := m.lanes[Video].(*codeLane); ok {
			picture.still.copies = l
		}
	}
	l, ok := m.lanes[Video].(*codeLane)
	if !ok {
		return nil
	}
	out, err := l.stand(t)
	m.take(Video, out)
	return err
}

// standOut keeps the last picture before the viewers for its time, and as long as
// the sound goes on.
func (m *mixer) standOut(ctx context.Context) {
	end := max(m.reach.heard, m.stands.until)
	if m.feed.ending.at > 0 {
		end = min(end, m.restamp.next+m.feed.ending.at-m.position(Packet{PTS: m.restamp.next}))
	}
	_ = m.standUntil(ctx, end-1) // what was put in has come out
	m.restamp.next = max(m.restamp.next, min(end, m.stands.until))
	m.hush(max(end, m.ends))
	if l, ok := m.lanes[Audio].(*fillLane); ok && l.begun {
		for _, p := range l.until(max(end, m.ends) - 1) {
			m.give(Audio, p)
		}
	}
}
