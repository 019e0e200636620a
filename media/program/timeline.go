package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// timeline decides which time of the room each packet of the source has, in which order
// they come, and which position of the source a room time is.
type timeline struct {
	progress *progress // where the push is while there is no input
	restamp  clock.Restamper
	aligner  *clock.Aligner // of the input
	ends     time.Duration  // room time at which what was shown ends
	anew     bool           // what comes next does not go on right after what came before

	input   *input.Input      // the present one; nil: it is away
	from    time.Duration     // position that it was opened at
	cut     bool              // it began with pictures that the container leaves out
	starts  time.Duration     // room time at which what it gives goes on
	exact   bool              // what it has from before begin is left out
	begin   time.Duration     // room time
	shift   time.Duration     // from its clock to positions
	shifted bool              // shift is known
	pending bitstream.Pending // of what was left out
}

// take makes an input the present one, of which cut says how it begins.
func (t *timeline) take(in *input.Input, cut bool) {
	t.input, t.cut, t.pending = in, cut, bitstream.Pending{}
}

// leave is for the end of the input: the next one goes on where what was given out ends.
func (t *timeline) leave() {
	t.input = nil
	if t.aligner != nil && t.aligner.Clear() > 0 {
		t.restamp.Next = min(t.restamp.Next, t.aligner.Ends)
	}
	t.aligner = nil
}

// align begins to bring the input's packets in order. Tracks that are not wanted are not
// waited for.
func (t *timeline) align(wanted func(media.MediaType) bool) {
	tracks := t.input.Info.Tracks
	t.aligner = clock.NewAligner(tracks, t.input.Realtime)
	t.aligner.Ends = t.restamp.Next
	for i, track := range tracks {
		if !wanted(track.Type) {
			t.aligner.End(i)
		}
	}
}

// goOn makes what the input gives next go on right after all that was shown. A
// picture that is re-encoded begins at from, others at the keyframe before it,
// which may lie before the source's first picture, too: the picture of an exact input.
func (t *timeline) goOn(from time.Duration, encodes bool) {
	t.starts = t.restamp.Next
	t.shift, t.shifted, t.from = 0, false, from
	t.exact = encodes && (from > 0 || t.cut) && t.input.Seeks
	if t.exact {
		t.begin = t.restamp.CutAt(from + t.input.Info.StartTime)
	} else {
		t.restamp.Cut()
	}
}

// passed notes a packet that has come out of the aligner.
func (t *timeline) passed(p *media.Packet) {
	t.aligner.Ends = max(t.aligner.Ends, max(p.PTS, p.DTS)+t.restamp.Length(p))
}

// lasts is how long p is shown or heard: a picture to the end of the part that is to
// be played at most.
func (t *timeline) lasts(kind media.MediaType, p *media.Packet) time.Duration {
	d := min(p.Duration, clock.MaxFrame)
	if end := t.input.Until(); kind == media.Video && end > 0 {
		d = min(d, end-t.position(p.PTS))
	}
	return d
}

// beyond says whether room time is after the part that is to be played.
func (t *timeline) beyond(room time.Duration) bool {
	return t.input.Until() > 0 && t.position(room) >= t.input.Until()
}

// skip makes what comes next begin at a room time at the earliest: up to there something
// was made up.
func (t *timeline) skip(to time.Duration) {
	t.restamp.Next, t.ends = max(t.restamp.Next, to), max(t.ends, to)
}

// partEnds returns the room time at which the part that is to be played ends, as seen at
// another one. There is such a part.
func (t *timeline) partEnds(seen time.Duration) time.Duration {
	return seen + t.input.Until() - t.position(seen)
}

// endPart makes the next play go on where the part that is played ends,
// although the Restamper has seen more: pictures out of order, of which some
// are shown behind the end, and sound that lay behind it.
func (t *timeline) endPart() {
	if t.input.Until() > 0 {
		t.restamp.Next = min(t.restamp.Next, max(t.partEnds(t.restamp.Next), t.ends))
	}
}

// position returns where in the source is what is shown at a room time. The segments
// of a live playlist may each have a clock of their own: what was shown is counted, from
// where an earlier attempt stood if the playlist is played as a recording.
func (t *timeline) position(room time.Duration) time.Duration {
	if t.input == nil {
		return t.progress.position
	}
	at, elapsed := t.restamp.Position(room)
	if t.input.Segmented() {
		at = elapsed
	}
	at -= t.input.Info.StartTime
	if !t.shifted {
		t.shifted = true
		if off := t.from - at; off.Abs() > maxOff && t.input.Segmented() && !t.input.Live && !t.input.Seeks {
			t.shift = off
		}
	}
	return max(at+t.shift, 0)
}

// unclocked says whether the position at a room time is no time of the source's clock.
func (t *timeline) unclocked(room time.Duration) bool {
	return t.input != nil && !t.input.Segmented() && !t.input.Live && t.restamp.SteppedBack(room)
}

// played is position for who reads it: as if the source's clock had not broken on
// the way.
func (t *timeline) played(room time.Duration) time.Duration {
	if t.input == nil {
		return t.progress.position
	}
	if t.input.Segmented() {
		return t.position(room)
	}
	_, elapsed := t.restamp.Position(room)
	return max(elapsed-t.input.Info.StartTime, 0)
}

// maxOff is by how much the clock of what cannot be sought may differ from where
// it is thought to be.
const maxOff = 30 * time.Second

// buffered returns how much has come and is held to be brought in order.
func (t *timeline) buffered() (most time.Duration) {
	for track, queued := range t.input.Spans() {
		most = max(most, queued+t.aligner.Span(track))
	}
	return most
}
