package libav

// #include "demux.h"
import "C"

import (
	"slices"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// mostEdited bounds the bytes of pictures that are held.
const mostEdited = 32 << 20

// edits brings what libav makes of an mp4's edit list into an order that can be
// shown. libav gives what lies outside of the edits, too, marked, as decoders may
// need it: pictures from the keyframe before an edit on and up to one behind it,
// sound from a second before. Their times overlap those of the edit before.
type edits struct {
	from  *demuxer
	held  []media.Packet // pictures that are left out, from the last keyframe on
	bytes int            // in them
	ready []media.Packet
	begun bool          // a picture was shown, or the source has jumped
	prime *media.Packet // the sound before the first that is heard: decoders begin with it
	heard bool
	// holes are the edits of nothing in the middle, by track. There libav gives the
	// media's begin.
	holes map[int][]hole
}

// hole is a time at which there is nothing.
type hole struct{ from, to time.Duration }

// newEdits returns nil for a source without such a list. It makes Info's duration
// that of all edits, and the demuxer mark what lies outside of them.
func newEdits(d *demuxer) *edits {
	if C.rc_edited(cFormat(d.container.format)) == 0 {
		return nil
	}
	d.edited = true
	e := &edits{from: d, holes: make(map[int][]hole)}
	noted := &d.container.scope.c.edits
	for _, h := range noted.holes[:noted.count] {
		track, played := d.roles.index[int(h.stream)]
		if !played {
			continue
		}
		base := d.container.format.Streams()[h.stream].TimeBase()
		at := func(t C.int64_t) time.Duration { return time.Duration(astiav.RescaleQ(int64(t), base, nanoseconds)) }
		e.holes[track] = append(e.holes[track], hole{at(h.from), at(h.to)})
		if h.after > 0 { // libav has it for no longer than its media
			d.container.info.Duration = max(d.container.info.Duration, at(h.to+h.after))
		}
	}
	return e
}

// inHole says whether p, which is to be shown or heard, is in the place of nothing.
func (e *edits) inHole(p media.Packet) bool {
	return !p.Discard && slices.ContainsFunc(e.holes[p.Track], func(h hole) bool {
		return p.PTS >= h.from-time.Millisecond && p.PTS < h.to-time.Millisecond // their times are rounded
	})
}

// reset forgets what was read: the source has jumped.
func (e *edits) reset() { *e = edits{from: e.from, begun: true, holes: e.holes} }

func (e *edits) close() {}

// read returns the next packet.
func (e *edits) read() (media.Packet, error) {
	for len(e.ready) == 0 {
		p, err := e.from.read()
		if err != nil {
			return p, err
		}
		switch kind := e.from.roles.typeOf(p); {
		case e.inHole(p):
			e.leave(kind)
		case e.plain(&p):
			e.begun, e.heard = e.begun || kind == media.Video, e.heard || kind == media.Audio
			return p, nil
		case kind == media.Video:
			e.picture(p)
		default:
			e.sound(p)
		}
	}
	return media.TakeFirst(&e.ready), nil
}

// leave leaves out what is in the place of nothing. What comes behind it is made
// of none of it.
func (e *edits) leave(m media.MediaType) {
	if m == media.Video {
		e.held, e.bytes = nil, 0
	}
}

// plain says whether p is given as it came, as nearly all are: nothing is held that it
// could change.
func (e *edits) plain(p *media.Packet) bool { return !p.Discard && len(e.held) == 0 && e.prime == nil }

// sound leaves out what is not to be heard.
func (e *edits) sound(p media.Packet) {
	switch {
	case p.Discard && !e.heard:
		p.Discard = false
		e.prime = &p
	case !p.Discard:
		if e.prime != nil {
			e.ready = append(e.ready, *e.prime)
			e.prime = nil
		}
		e.ready, e.heard = append(e.ready, p), true
	}
}

// picture leaves out what is not to be shown, unless others are made of it: that
// comes with the time of the first of these. Where it is too much to be kept, and
// before the first, it has libav's times.
func (e *edits) picture(p media.Packet) {
	if p.Keyframe {
		e.held, e.bytes = nil, 0
	}
	for i := 0; i < len(e.held) && e.begun && !p.Discard; i++ {
		h := &e.held[i]
		h.PTS, h.DTS, h.NoPTS, h.NoDTS = p.PTS, p.DTS, p.NoPTS, p.NoDTS
	}
	e.begun = e.begun || !p.Discard
	e.held, e.bytes = append(e.held, p), e.bytes+len(p.Data)
	if !p.Discard || e.bytes > mostEdited {
		e.ready, e.held, e.bytes = append(e.ready, e.held...), nil, 0
	}
}
