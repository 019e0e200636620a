package bitstream

import (
	"bytes"
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
	// gopPieces is how many pieces are used. Of a large picture each has one.
	gopPieces = 64
)

// GOP keeps a video's packets from its last keyframe on, so that a
// decoder can begin in the middle of it. A GOP beyond the limits is not kept at
// all.
type GOP struct {
	kept  []kept
	data  *offheap.Bytes // of packets that are of no piece
	bytes int            // of all
	// pieces are used by its packets, the last of them by the newest ones.
	pieces int
	last   *offheap.Piece
	over   bool
}

// kept is a packet whose bytes stand in a piece, or else at a place in a GOP's.
type kept struct {
	packet media.Packet
	at, n  int
}

// Add keeps p.
func (b *GOP) Add(p media.Packet) {
	if p.Keyframe {
		b.Reset()
	}
	if b.over || (len(b.kept) == 0 && !p.Keyframe) {
		return
	}
	if b.bytes += len(p.Data); b.bytes > gopBytes || len(b.kept) >= gopFew && p.DTS-b.kept[0].packet.DTS > gopSpan {
		b.Reset()
		b.over = true
		return
	}
	if b.takes(p.Piece) {
		p.Piece.Use()
		b.kept = append(b.kept, kept{packet: p})
		return
	}
	if b.data == nil {
		b.data = offheap.NewBytes()
	}
	k := kept{packet: p, at: b.data.Append(p.Data), n: len(p.Data)}
	k.packet.Data, k.packet.Piece = nil, nil
	b.kept = append(b.kept, k)
}

// takes says whether a packet's piece, if it is of one, is to be used.
func (b *GOP) takes(piece *offheap.Piece) bool {
	if piece == nil || piece != b.last && b.pieces == gopPieces {
		return false
	}
	if piece != b.last {
		b.pieces, b.last = b.pieces+1, piece
	}
	return true
}

// Reset forgets all.
func (b *GOP) Reset() {
	for i := range b.kept {
		b.kept[i].packet.Release()
	}
	clear(b.kept)
	b.kept, b.bytes, b.over = b.kept[:0], 0, false
	b.pieces, b.last = 0, nil
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
		if p.Piece != nil {
			p.Data, p.Piece = bytes.Clone(p.Data), nil
		} else {
			p.Data = b.data.Copy(k.at, k.n)
		}
		packets = append(packets, p)
	}
	return packets
}
