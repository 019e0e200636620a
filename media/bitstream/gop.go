package bitstream

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// Limits of what is kept of a video to begin decoding with. Few pictures are
// kept however long they stand.
const (
	gopSpan  = 10 * time.Second
	gopBytes = 16 << 20
	gopFew   = 60
)

// GOP keeps a video's packets from its last keyframe on, so that a
// decoder can begin in the middle of it. A GOP beyond the limits is not kept at
// all.
type GOP struct {
	Packets []media.Packet
	bytes   int
	over    bool
}

func (b *GOP) Add(p media.Packet) {
	if p.Keyframe {
		clear(b.Packets)
		b.Packets, b.bytes, b.over = b.Packets[:0], 0, false
	}
	if b.over || (len(b.Packets) == 0 && !p.Keyframe) {
		return
	}
	b.Packets, b.bytes = append(b.Packets, p), b.bytes+len(p.Data)
	if b.bytes > gopBytes || len(b.Packets) > gopFew && p.DTS-b.Packets[0].DTS > gopSpan {
		b.Packets, b.over = nil, true
	}
}
