package clock

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// Tick is the room's unit of time: RTMP counts milliseconds, in 32 bits (RTMP
// 1.0, 5.3.1). After 2^32 of them, 49.7 days, media/rtmp starts again at zero;
// here time goes on.
const Tick = time.Millisecond

// How far a DTS may be moved ahead of its true time so that it still rises.
// Audio that overlaps what was heard is left out at once: moved, it would
// leave its picture. A picture is needed by those after it, so they are hurried
// through, up to a limit.
const (
	maxHurriedAudio = 40 * time.Millisecond
	MaxHurriedVideo = 500 * time.Millisecond
)

// Monotonic is the last thing before the wire: it makes the times of a push whole
// milliseconds, rounded down, in which each track's DTS rise strictly. The zero
// value is ready.
type Monotonic struct {
	tracks [2]struct {
		used    bool
		last    time.Duration // DTS of the last packet
		waiting bool          // for a keyframe: the picture before it was dropped
	}
	dropped int64
}

// Stamp returns p with the room's final times: DTS from zero on, PTS at least
// DTS and true where it can be. False says that p came too late to be sent (it
// is counted); of video, everything up to the next keyframe goes with it.
func (m *Monotonic) Stamp(p media.Packet, kind media.MediaType) (media.Packet, bool) {
	t := &m.tracks[p.Track]
	dts := max(p.DTS, 0).Truncate(Tick)
	if t.used {
		dts = max(dts, t.last+Tick)
	}
	limit := MaxHurriedVideo
	if kind == media.Audio {
		limit = maxHurriedAudio
	}
	late := dts-p.DTS > limit
	if late || (t.waiting && !p.Keyframe) {
		t.waiting = kind == media.Video
		m.dropped++
		return p, false
	}
	t.used, t.last, t.waiting = true, dts, false
	pts := p.PTS
	if p.NoPTS {
		pts = p.DTS
	}
	p.DTS, p.PTS = dts, max(pts.Truncate(Tick), dts)
	p.NoDTS, p.NoPTS = false, false
	return p, true
}

// TakeDropped returns how many packets were dropped since it was asked last.
func (m *Monotonic) TakeDropped() int64 {
	n := m.dropped
	m.dropped = 0
	return n
}
