package program

import (
	"context"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

const (
	// stillWait is for how much of the source a picture is waited for that should
	// be shown already: as long as the sound is held for it.
	stillWait = clock.FileHold
)

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

// stand keeps the picture before the viewers up to t, by when all that is shown
// until then was put in. What the decoder holds of it is brought out: some come
// out only when others follow. Nothing older is shown in its place.
func (l *encodedTrack) stand(t time.Duration) ([]media.Packet, error) {
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
		out, err := l.Repeat(s.due)
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
	l.Transcoder.SkipFrom(end)
	last, err := l.Flush()
	l.Transcoder.SkipFrom(l.end)
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
		out, err := l.Transcode(p)
		if all = append(all, l.hold.passed(out)...); err != nil {
			return all, err
		}
	}
	return all, nil
}

// inputReach is how far an input has been put into the output tracks, in the room's time.
type inputReach struct {
	heard  time.Duration // the sound
	behind time.Duration // the most by which a picture came behind it
}

// hold shows the picture again while the source goes on without one, which p
// tells; of a realtime source only the sound does: what is made up when the next
// picture has come is too late.
func (pg *Program) hold(ctx context.Context, kind media.MediaType, p media.Packet) error {
	if kind == media.Audio {
		pg.reach.heard = max(pg.reach.heard, p.DTS)
	} else {
		pg.reach.behind = max(pg.reach.behind, pg.reach.heard-p.DTS)
		if pg.input.Realtime {
			return nil
		}
	}
	t := p.DTS - pg.reach.behind - stillWait
	if !pg.input.Realtime && pg.allShown(kind, p) {
		t = p.DTS - 1
	}
	return pg.holdUntil(ctx, t)
}

// allShown says whether all that is shown before p, of a file, was put in: of a
// copied picture, which comes in order, or before one that comes after a hole.
func (pg *Program) allShown(kind media.MediaType, p media.Packet) bool {
	switch l := pg.tracks[media.Video].output.(type) {
	case *copiedTrack:
		return true
	case *encodedTrack:
		return kind == media.Video && p.DTS-l.hold.newest > clock.FrameHold
	default:
		return false
	}
}

// standingPicture is until when the picture that is shown last is to be shown, as its
// container says, in the room's time. Where pictures are out of order, an mp4's
// may be said to last until the next one is decoded: it stands until the next one is
// shown.
type standingPicture struct{ from, until time.Duration }

func (s *standingPicture) note(p media.Packet) {
	switch {
	case p.PTS < s.from:
	case clock.StandsLong(p):
		*s = standingPicture{p.PTS, p.PTS + p.Duration}
	default:
		*s = standingPicture{p.PTS, 0}
	}
}

const reasonStands = "a picture stands for more than a second"

// steadyTime is for how long a picture that stood must go on by itself before it
// is copied again: slides come a few seconds apart, and with each change players
// get another decoder configuration.
const steadyTime = 10 * time.Second

// copyAgain notes what copies the picture of a source, or of a stream of it, that
// has just been taken, once it does not stand any more; decided is the plan for it.
func (pg *Program) copyAgain(decided *media.TrackPlan) {
	l, ok := pg.tracks[media.Video].output.(*encodedTrack)
	if !ok || pg.plan.Video.Reason != reasonStands || decided == nil {
		return
	}
	if decided.Action != media.Copy && decided.Reason != reasonStands {
		l.hold.copies = nil
		pg.setPlan(media.Video, media.TrackPlan{Action: media.Transcode, Reason: decided.Reason})
		return
	}
	l.hold.copies = newCopiedTrack(pg.Rules, *pg.tracks[media.Video].source, pg.input.Filter(media.Video))
}

// resume copies the picture from p on, which is to be put in next, if it is
// re-encoded only because one stood and none does any more. It need not be so that
// it can: what is in p tells.
func (pg *Program) resume(p media.Packet) error {
	l, ok := pg.tracks[media.Video].output.(*encodedTrack)
	if !ok || l.hold.copies == nil {
		return nil
	}
	copies := l.hold.copies
	copied, err := copies.put(p)
	if err != nil {
		l.hold.copies = nil
		pg.setPlan(media.Video, media.TrackPlan{Action: media.Transcode, Reason: err.Error()})
		return nil
	}
	if !p.Keyframe || p.Discard || len(copied) == 0 || clock.StandsLong(p) || p.PTS-l.hold.stood < steadyTime || !pg.continues(l, p) {
		return nil
	}
	out, err := l.flush()
	pg.take(media.Video, out)
	if err != nil || p.PTS <= pg.tracks[media.Video].shown {
		return err
	}
	if err := pg.spoiled(media.Video, p.DTS, l.takeDamaged()); err != nil {
		return err
	}
	l.close()
	copies.damaged = 0
	pg.tracks[media.Video].output = copies
	pg.setPlan(media.Video, *decide(""))
	if !pg.busy() {
		pg.drain()
	}
	return nil
}

// continues says whether p, copied, is what follows all that l was given, and the
// same picture to viewers.
func (pg *Program) continues(l *encodedTrack, p media.Packet) bool {
	copies := l.hold.copies
	return p.PTS > max(l.hold.newest, pg.tracks[media.Video].shown) && pg.tracks[media.Video].shown-p.DTS < clock.MaxHurriedVideo &&
		copies.out.Extradata != nil && bitstream.Difference(bitstream.ShapeOf(l.track()), copies.shape) == ""
}

// holdUntil keeps the picture before the viewers up to t. A copied one cannot be
// sent again: its track is re-encoded from here on.
func (pg *Program) holdUntil(ctx context.Context, t time.Duration) error {
	if l, ok := pg.tracks[media.Video].output.(*copiedTrack); ok {
		if t-pg.tracks[media.Video].shown < clock.LongestStand || len(l.gop.Packets) == 0 || !pg.mayRecode() {
			return nil
		}
		if _, err := pg.change(ctx, media.Video, reasonStands, nil); err != nil {
			return err
		}
		if picture, ok := pg.tracks[media.Video].output.(*encodedTrack); ok {
			picture.hold.copies = l
		}
	}
	l, ok := pg.tracks[media.Video].output.(*encodedTrack)
	if !ok {
		return nil
	}
	out, err := l.stand(t)
	pg.take(media.Video, out)
	return err
}

// holdToEnd keeps the last picture before the viewers for its time, and as long as
// the sound goes on.
func (pg *Program) holdToEnd(ctx context.Context) {
	end := max(pg.reach.heard, pg.standing.until)
	if pg.input.Until() > 0 {
		end = min(end, pg.restamp.Next+pg.input.Until()-pg.position(media.Packet{PTS: pg.restamp.Next}))
	}
	_ = pg.holdUntil(ctx, end-1) // what was put in has come out
	pg.restamp.Next = max(pg.restamp.Next, min(end, pg.standing.until))
	pg.fillSilence(max(end, pg.ends))
	pg.fillUntil(media.Audio, max(end, pg.ends)-1)
}

// fillUntil gives what there is until room time t of a track that is made up, and has
// begun.
func (pg *Program) fillUntil(kind media.MediaType, t time.Duration) {
	if l, ok := pg.tracks[kind].output.(*filledTrack); ok && l.begun {
		for _, p := range l.until(t) {
			pg.give(kind, p)
		}
	}
}
