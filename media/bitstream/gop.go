package bitstream

import (
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/offheap"
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
	kept []kept
	data *offheap.Bytes // of all
	over bool
}

// kept is a packet whose bytes stand elsewhere.
type kept struct {
	packet media.Packet
	at, n  int
}

// Add keeps a copy of p.
func (b *GOP) Add(p media.Packet) {
	if p.Keyframe {
		b.Reset()
	}
	if b.over || (len(b.kept) == 0 && !p.Keyframe) {
		return
	}
	if b.data == nil {
		b.data = offheap.NewBytes()
	}
	if b.data.Len()+len(p.Data) > gopBytes || len(b.kept) >= gopFew && p.DTS-b.kept[0].packet.DTS > gopSpan {
		b.Reset()
		b.over = true
		return
	}
	k := kept{packet: p, at: b.data.Append(p.Data), n: len(p.Data)}
	k.packet.Data = nil
	b.kept = append(b.kept, k)
}

// Reset forgets all.
func (b *GOP) Reset() {
	clear(b.kept)
	b.kept, b.over = b.kept[:0], false
	if b.data != nil {
		b.data.Reset()
	}
}

// Empty says whether a decoder cannot begin: nothing is kept.
func (b *GOP) Empty() bool { return len(b.kept) == 0 }

// Has says whether the picture is kept that is shown at pts.
func (b *GOP) Has(pts time.Duration) bool {
	return slices.ContainsFunc(b.kept, func(k kept) bool { return k.packet.PTS == pts })
}

// Packets returns what is kept. It is the caller's.
func (b *GOP) Packets() []media.Packet {
	packets := make([]media.Packet, 0, len(b.kept))
	for _, k := range b.kept {
		p := k.packet
		p.Data = b.data.Copy(k.at, k.n)
		packets = append(packets, p)
	}
	return packets
}
