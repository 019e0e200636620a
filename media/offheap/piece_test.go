package offheap

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func freePieces() int {
	pieces.mu.Lock()
	defer pieces.mu.Unlock()
	return len(pieces.warm) + len(pieces.cold)
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
	require.Zero(t, owner.taken.Load())
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
		require.LessOrEqual(t, owner.taken.Load(), int32(mostTaken))
	}
	require.Eventually(t, func() bool {
		runtime.GC()
		return owner.taken.Load() == 0
	}, 10*time.Second, time.Millisecond)
}
