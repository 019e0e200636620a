package program

import (
	"context"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
)

// stillWait is for how much of the source a picture is waited for that should
// be shown already: as long as the sound is held for it.
const stillWait = clock.FileHold

// pictureHold decides until when the picture before the viewers stands, and shows it again
// for so long. One that is copied is re-encoded for as long as that is needed.
type pictureHold struct {
	tracks   *roomTracks
	times    *timeline
	mux      *mux
	reach    inputReach
	standing standingPicture
}

// inputReach is how far an input has been put into the output tracks, in the room's time.
type inputReach struct {
	heard  time.Duration // the sound
	behind time.Duration // the most by which a picture came behind it
}

// before shows the picture again while the source goes on without one, which p
// tells; of a realtime source only the sound does: what is made up when the next
// picture has come is too late.
func (h *pictureHold) before(ctx context.Context, kind media.MediaType, p *media.Packet) error {
	if kind == media.Audio {
		h.reach.heard = max(h.reach.heard, p.DTS)
	} else {
		h.reach.behind = max(h.reach.behind, h.reach.heard-p.DTS)
		if h.times.input.Realtime {
			return nil
		}
	}
	t := p.DTS - h.reach.behind - stillWait
	if !h.times.input.Realtime && h.allShown(kind, p) {
		t = p.DTS - 1
	}
	return h.until(ctx, t)
}

// allShown says whether all that is shown before p, of a file, was put in: of a
// copied picture, which comes in order, or before one that comes after a hole.
func (h *pictureHold) allShown(kind media.MediaType, p *media.Packet) bool {
	switch picture := h.tracks.picture(); {
	case picture.copied != nil:
		return true
	case picture.encoded != nil:
		return kind == media.Video && p.DTS-picture.encoded.hold.newest > clock.FrameHold
	default:
		return false
	}
}

// standingPicture is until when the picture that is shown last is to be shown, as its
// container says, in the room's time. Where pictures are out of order, an mp4's
// may be said to last until the next one is decoded: it stands until the next one is
// shown.
type standingPicture struct{ from, until time.Duration }

func (s *standingPicture) note(p *media.Packet) {
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
func (h *pictureHold) copyAgain(decided *media.TrackPlan) {
	picture := h.tracks.picture()
	if picture.encoded == nil || h.tracks.plan.Video.Reason != reasonStands || decided == nil {
		return
	}
	if decided.Action != media.Copy && decided.Reason != reasonStands {
		h.copyNoMore(decided.Reason)
		return
	}
	picture.encoded.hold.copies = h.tracks.copies(media.Video, *picture.source)
}

// copyNoMore is for a picture that is re-encoded for another reason from here on.
func (h *pictureHold) copyNoMore(reason string) {
	h.tracks.picture().encoded.hold.copies = nil
	h.tracks.set(media.Video, media.TrackPlan{Action: media.Transcode, Reason: reason})
}

// next is for a picture of the source that is to be put in next.
func (h *pictureHold) next(p *media.Packet) error {
	if err := h.resume(p); err != nil {
		return err
	}
	h.standing.note(p)
	return nil
}

// resume copies the picture from p on, if it is re-encoded only because one stood and
// none does any more. It need not be so that it can: what is in p tells.
func (h *pictureHold) resume(p *media.Packet) error {
	picture := h.tracks.picture()
	encoded := picture.encoded
	if encoded == nil || encoded.hold.copies == nil {
		return nil
	}
	copies := encoded.hold.copies
	copied, err := copies.put(*p)
	if err != nil {
		h.copyNoMore(err.Error())
		return nil
	}
	if !p.Keyframe || p.Discard || len(copied) == 0 || clock.StandsLong(p) || p.PTS-encoded.hold.stood < steadyTime || !continues(picture, p) {
		copies.gop.Reset() // the re-encoded track keeps one
		return nil
	}
	out, err := encoded.flush()
	h.mux.take(media.Video, out)
	if err != nil || p.PTS <= picture.shown {
		return err
	}
	if err := h.tracks.spoiled(media.Video, p.DTS, encoded.takeDamaged()); err != nil {
		return err
	}
	copies.damaged = 0
	picture.become(copies)
	h.tracks.set(media.Video, *decide(""))
	if !h.tracks.busy() {
		h.mux.drain()
	}
	return nil
}

// continues says whether p, copied, is what follows all that the picture's encoder was
// given, and the same picture to viewers.
func continues(picture *track, p *media.Packet) bool {
	encoded, copies := picture.encoded, picture.encoded.hold.copies
	return p.PTS > max(encoded.hold.newest, picture.shown) && picture.shown-p.DTS < clock.MaxHurriedVideo &&
		copies.out.Extradata != nil && bitstream.Difference(bitstream.ShapeOf(encoded.track()), copies.shape) == ""
}

// until keeps the picture before the viewers up to t. A copied one cannot be
// sent again: its track is re-encoded from here on.
func (h *pictureHold) until(ctx context.Context, t time.Duration) error {
	picture := h.tracks.picture()
	if copied := picture.copied; copied != nil {
		if t-picture.shown < clock.LongestStand || copied.gop.Empty() {
			return nil
		}
		if _, err := h.tracks.change(ctx, media.Video, reasonStands, nil); err != nil {
			return err
		}
		picture.encoded.hold.copies = copied
	}
	out, err := picture.encoded.stand(t)
	h.mux.take(media.Video, out)
	return err
}

// toEnd keeps the last picture before the viewers for its time, and as long as
// the sound goes on.
func (h *pictureHold) toEnd(ctx context.Context) {
	end, next := max(h.reach.heard, h.standing.until), &h.times.restamp.Next
	if h.times.input.Until() > 0 {
		end = min(end, h.times.partEnds(*next))
	}
	_ = h.until(ctx, end-1) // what was put in has come out
	*next = max(*next, min(end, h.standing.until))
	h.mux.fillSilence(max(end, h.times.ends))
	h.mux.fillUntil(media.Audio, max(end, h.times.ends)-1)
}

// goOn is for another input.
func (h *pictureHold) goOn() { h.reach = inputReach{heard: -clock.Forever} }
