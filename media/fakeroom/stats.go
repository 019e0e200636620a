package fakeroom

import "time"

// TrackStats counts one track of a session. Config packets are not counted.
type TrackStats struct {
	Packets   int
	Bytes     int64 // of message bodies
	Keyframes int   // video only
	Broken    int   // frames whose structure is not decodable

	FirstDTS, LastDTS time.Duration
	FirstAt, LastAt   time.Time

	// MaxGap is the longest time between two arrivals, MaxStep the longest step
	// between two DTS.
	MaxGap, MaxStep time.Duration
	// MaxLate and MaxEarly say how far an arrival lay behind or before its DTS,
	// both counted from the first packet; Drift is the last packet's lateness.
	MaxLate, MaxEarly, Drift time.Duration
	// FrameDuration is the last DTS step, the best guess of a packet's duration.
	FrameDuration time.Duration
}

// Span is the media time received: from the first to the last DTS and one
// packet more.
func (t TrackStats) Span() time.Duration {
	if t.Packets == 0 {
		return 0
	}
	return t.LastDTS - t.FirstDTS + t.FrameDuration
}

// Wall is the time from the first arrival to the last and one packet more.
func (t TrackStats) Wall() time.Duration {
	if t.Packets == 0 {
		return 0
	}
	return t.LastAt.Sub(t.FirstAt) + t.FrameDuration
}

func (t *TrackStats) add(p Packet) {
	if t.Packets == 0 {
		t.FirstDTS, t.FirstAt = p.DTS, p.At
	} else {
		step := p.DTS - t.LastDTS
		t.MaxGap = max(t.MaxGap, p.At.Sub(t.LastAt))
		t.MaxStep = max(t.MaxStep, step)
		if step > 0 {
			t.FrameDuration = step
		}
	}
	t.Packets++
	t.Bytes += int64(len(p.Data))
	t.LastDTS, t.LastAt = p.DTS, p.At
	t.Drift = p.At.Sub(t.FirstAt) - (p.DTS - t.FirstDTS)
	t.MaxLate = max(t.MaxLate, t.Drift)
	t.MaxEarly = max(t.MaxEarly, -t.Drift)
}
