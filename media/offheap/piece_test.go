package offheap

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func freePieces() int {
	released.mu.Lock()
	defer released.mu.Unlock()
	return len(released.pieces) + len(released.chunks.warm) + len(released.chunks.cold)
}

func TestAPieceIsSomebodyElsesWhenAllHaveReleasedIt(t *testing.T) {
	var owner Pieces
	p := owner.Take()
	require.Len(t, p.Bytes, PieceBytes)
	p.Bytes[0] = 7
	p.Use()
	p.Release()
	require.Equal(t, byte(7), p.Bytes[0])
	free := freePieces()
	p.Release()
	require.Equal(t, free+1, freePieces())
	require.Zero(t, owner.Taken())
	if poisons {
		require.Equal(t, byte(0xdb), p.Bytes[0])
		require.Panics(t, p.Release)
	}
	var none *Piece
	none.Use()
	none.Release()
}

func TestPiecesThatNobodyReleasesAreBoundedAndFound(t *testing.T) {
	var owner Pieces
	for range 3 * mostTaken {
		owner.Take().Bytes[0] = 1
		require.LessOrEqual(t, owner.Taken(), mostTaken)
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		return owner.Taken() == 0
	}, 10*time.Second, time.Millisecond)
}
