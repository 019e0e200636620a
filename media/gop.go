package media

import "time"

// Limits of what is kept of a video to begin decoding with. Few pictures are
// kept however long they stand.
const (
	gopSpan  = 10 * time.Second
	gopBytes = 16 << 20
	gopFew   = 60
)

// gopBuffer keeps a video's packets from its last keyframe on, so that a
// decoder can begin in the middle of it. A GOP beyond the limits is not kept at
// all.
type gopBuffer struct {
	packets []Packet
	bytes   int
	over    bool
}

func (b *gopBuffer) add(p Packet) {
	if p.Keyframe {
		clear(b.packets)
		b.packets, b.bytes, b.over = b.packets[:0], 0, false
	}
	if b.over || (len(b.packets) == 0 && !p.Keyframe) {
		return
	}
	b.packets, b.bytes = append(b.packets, p), b.bytes+len(p.Data)
	if b.bytes > gopBytes || len(b.packets) > gopFew && p.DTS-b.packets[0].DTS > gopSpan {
		b.packets, b.over = nil, true
	}
}
