package media

import "time"

// Limits beyond which a timestamp is a break in the source's clock rather
// than a gap in its content.
const (
	maxBackward = 500 * time.Millisecond
	maxForward  = 30 * time.Second
)

// tick is the room's unit of time: RTMP counts milliseconds.
const tick = time.Millisecond

// restamper turns a source's timestamps into the room's: from zero, in whole
// milliseconds, DTS strictly rising per track for the whole push, whatever the
// source does. Tracks share one offset, so that audio and video stay together.
type restamper struct {
	anchored bool
	offset   time.Duration // room time = source time + offset
	next     time.Duration // room time at which a new segment goes on
	tracks   [2]trackClock
}

type trackClock struct {
	used    bool
	source  time.Duration // DTS of the last packet, source time
	room    time.Duration // DTS of the last packet, room time
	spacing time.Duration // between the last two packets
}

// cut says that the next packet begins a new segment (after a seek, a
// reconnect): it goes on right after what was sent.
func (r *restamper) cut() { r.anchored = false }

// cutAt is cut for a segment of which only what comes from source time t on is
// shown; it returns the room time of t.
func (r *restamper) cutAt(t time.Duration) time.Duration {
	r.anchored = true
	r.offset = r.next - t
	for i := range r.tracks {
		r.tracks[i].source = t
	}
	return r.next
}

// position returns the source time of a room time.
func (r *restamper) position(room time.Duration) time.Duration { return room - r.offset }

// restamp returns p with the room's timestamps.
func (r *restamper) restamp(p Packet) Packet {
	t := &r.tracks[p.Track]
	dts := sourceDTS(p, t)
	if !r.anchored {
		r.anchor(dts)
	} else if t.used {
		if step := dts - t.source; step < -maxBackward || step > maxForward {
			r.anchor(dts)
		}
	}
	pts := dts
	if !p.NoPTS {
		pts = max(p.PTS, dts)
	}
	room := max(dts+r.offset, 0).Truncate(tick)
	if t.used && room <= t.room {
		room = t.room + tick
	}
	shift := pts - dts
	r.note(t, dts, room)
	p.DTS, p.PTS = room, room+shift.Truncate(tick)
	p.NoDTS, p.NoPTS = false, false
	return p
}

// anchor makes dts the time at which the segment goes on.
func (r *restamper) anchor(dts time.Duration) {
	r.anchored = true
	r.offset = r.next - dts
	for i := range r.tracks {
		r.tracks[i].source = dts
	}
}

func (r *restamper) note(t *trackClock, dts, room time.Duration) {
	if step := dts - t.source; t.used && step > 0 {
		t.spacing = min(step, time.Second)
	}
	t.used, t.source, t.room = true, dts, room
	r.next = max(r.next, room+max(t.spacing, tick))
}

// sourceDTS returns p's DTS, or the best guess where the container gave none.
func sourceDTS(p Packet, t *trackClock) time.Duration {
	switch {
	case !p.NoDTS:
		return p.DTS
	case t.used:
		return t.source + max(p.Duration, t.spacing, tick)
	default:
		return p.PTS
	}
}
