package bitstream

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/offheap"
)

// What is kept is a copy of the packets from the last keyframe on, in their order.
func TestAGOPKeepsCopiesFromTheLastKeyframeOn(t *testing.T) {
	var b GOP
	var want []media.Packet
	for n := range 10 {
		p := media.Packet{PTS: time.Duration(n), Keyframe: n == 0 || n == 4, Data: bytes.Repeat([]byte{byte(n)}, n*9_000)}
		if p.Keyframe {
			want = nil
		}
		want = append(want, p)
		given := p
		given.Data = bytes.Clone(p.Data)
		b.Add(given)
		clear(given.Data)
		require.Equal(t, want, b.Packets())
	}
	require.True(t, b.Has(4) && b.Has(9) && !b.Has(3))
}

// Packets that are part of a piece are not copied, and their piece is in use until the next
// keyframe comes.
func TestAGOPUsesThePiecesOfItsPackets(t *testing.T) {
	var b GOP
	var owner offheap.Pieces
	add := func(piece *offheap.Piece, at int, key bool) {
		p := media.Packet{Keyframe: key, Data: piece.Bytes[at : at+100], Piece: piece}
		piece.Use()
		copy(p.Data, bytes.Repeat([]byte{byte(at)}, 100))
		b.Add(p)
		p.Release()
	}
	first, second := owner.Take(), owner.Take()
	add(first, 100, true)
	add(first, 200, false)
	b.Add(media.Packet{Data: []byte{7}}) // of no piece
	add(second, 100, false)
	first.Release()
	second.Release()
	require.Equal(t, 2, owner.Taken())
	kept := b.Packets()
	require.Len(t, kept, 4)
	for i, data := range [][]byte{bytes.Repeat([]byte{100}, 100), bytes.Repeat([]byte{200}, 100), {7}, bytes.Repeat([]byte{100}, 100)} {
		require.Equal(t, data, kept[i].Data)
		require.Nil(t, kept[i].Piece, "it is the caller's")
	}
	b.Add(media.Packet{Keyframe: true, Data: []byte{7}})
	require.Zero(t, owner.Taken())
	require.Len(t, b.Packets(), 1)
}

// Of pictures each of which has a piece, only some keep theirs.
func TestAGOPOfLargePicturesCopiesMostOfThem(t *testing.T) {
	var b GOP
	var owner offheap.Pieces
	for n := range 2 * gopPieces {
		p := media.Packet{Keyframe: n == 0, Piece: owner.Take()}
		p.Data = p.Piece.Bytes[:40_000]
		p.Data[0] = byte(n)
		b.Add(p)
		p.Release()
	}
	require.Equal(t, gopPieces, owner.Taken())
	for n, p := range b.Packets() {
		require.Equal(t, byte(n), p.Data[0])
	}
	b.Reset()
	require.Zero(t, owner.Taken())
}

// What is beyond the limits is not kept at all, until the next keyframe.
func TestAGOPBeyondTheLimitsIsNotKept(t *testing.T) {
	for name, p := range map[string]media.Packet{
		"bytes": {DTS: time.Second, Data: make([]byte, gopBytes)},
		"time":  {DTS: gopSpan + 1, Data: make([]byte, 1)},
	} {
		var b GOP
		b.Add(media.Packet{Keyframe: true, Data: make([]byte, 1)})
		for range gopFew - 1 {
			b.Add(media.Packet{Data: make([]byte, 1)})
		}
		require.Len(t, b.Packets(), gopFew, name)
		b.Add(p)
		require.True(t, b.Empty(), name)
		b.Add(media.Packet{Data: make([]byte, 1)})
		require.True(t, b.Empty(), name)
		b.Add(media.Packet{Keyframe: true, Data: make([]byte, 1)})
		require.False(t, b.Empty(), name)
	}
}
