package fakeroom

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// Packet is one audio or video message as it came.
type Packet struct {
	Type     media.MediaType
	DTS, PTS time.Duration // the sender's; PTS is DTS for audio
	At       time.Time     // arrival of its last byte
	Keyframe bool          // true for every audio packet
	Config   bool          // a decoder configuration, not a frame
	// Data is the message's body, an FLV tag's body. It must not be changed.
	Data []byte
}

// tape keeps the packets of a session: the last ones, cut at a keyframe, or
// all up to a limit. It is used under the session's lock.
type tape struct {
	keep      time.Duration
	all       bool
	limit     int64
	packets   []Packet
	heads     [2]*Packet // per media.MediaType: the config in force before packets
	bytes     int64
	video     bool
	truncated bool
}

func newTape(cfg Config) tape {
	return tape{keep: cfg.Keep, all: cfg.RecordAll, limit: cfg.MaxBytes}
}

func (t *tape) add(p Packet) {
	if !t.all && t.keep < 0 || t.all && t.truncated {
		return
	}
	if t.bytes+int64(len(p.Data)) > t.limit {
		t.truncated = true
		if t.all {
			return
		}
		t.trim(p.At) // all but the current GOP
		if t.bytes+int64(len(p.Data)) > t.limit {
			t.drop(len(t.packets))
		}
	}
	t.video = t.video || p.Type == media.Video
	t.packets = append(t.packets, p)
	t.bytes += int64(len(p.Data))
	if !t.all && t.isStart(p) {
		t.trim(p.At.Add(-t.keep))
	}
}

// isStart says whether a decoder can start at p.
func (t *tape) isStart(p Packet) bool {
	return p.Keyframe && !p.Config && (p.Type == media.Video || !t.video)
}

// trim drops what lies before the last possible start at or before cutoff.
func (t *tape) trim(cutoff time.Time) {
	start := 0
	for i, p := range t.packets {
		if p.At.After(cutoff) {
			break
		}
		if t.isStart(p) {
			start = i
		}
	}
	t.drop(start)
}

func (t *tape) drop(n int) {
	for i := range t.packets[:n] {
		p := t.packets[i]
		t.bytes -= int64(len(p.Data))
		if p.Config {
			t.heads[p.Type] = &p
		}
	}
	if n > 0 {
		t.packets = append([]Packet(nil), t.packets[n:]...)
	}
}

// clear forgets all packets.
func (t *tape) clear() {
	t.packets, t.heads, t.bytes = nil, [2]*Packet{}, 0
	t.truncated = true
}

// snapshot returns the packets a decoder needs, configs first.
func (t *tape) snapshot() []Packet {
	var out []Packet
	for _, head := range t.heads {
		if head != nil && len(t.packets) > 0 {
			p := *head
			p.DTS, p.PTS = t.packets[0].DTS, t.packets[0].DTS
			out = append(out, p)
		}
	}
	started := false
	for _, p := range t.packets {
		// After a drop to nothing the tape may begin within a GOP.
		started = started || !t.truncated || t.all || t.isStart(p)
		if started || p.Config {
			out = append(out, p)
		}
	}
	return out
}
