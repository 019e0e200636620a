package offheap

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAPieceIsSomebodyElsesWhenAllHaveReleasedIt(t *testing.T) {
	var owner Pieces
	p := owner.Take()
	require.Len(t, p.Bytes, PieceBytes)
	p.Bytes[0] = 7
	p.Use()
	p.Release()
	require.Equal(t, byte(7), p.Bytes[0])
	require.Equal(t, 1, owner.Taken())
	p.Release()
	require.Zero(t, owner.Taken())
	if poisons {
		require.NotEqual(t, byte(7), p.Bytes[0])
		require.Panics(t, p.Release)
	} else {
		require.Same(t, p, owner.Take())
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
