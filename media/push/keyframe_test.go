package push

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/offheap"
)

func TestTheLastKeyframeIsTheOneThatTheRoomGotLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(whole(3 * time.Second))
		s.job.Keyframe = &media.LastKeyframe{}
		require.Zero(t, s.job.Keyframe.Get().Number)
		played := make(chan error)
		go func() { played <- s.play(t.Context()) }()
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		k := s.job.Keyframe.Get()
		require.EqualValues(t, 2, k.Number, "those of 0 and 1 s")
		require.NoError(t, <-played)
		require.EqualValues(t, 3, s.job.Keyframe.Get().Number)

		kept := s.room.keyframes()[1]
		require.Equal(t, kept.Config, k.Config)
		require.NotEmpty(t, k.Config)
		require.Equal(t, kept.Data, k.Data)
	})
}

func TestAKeyframeCostsNothingOfTheHeap(t *testing.T) {
	p := media.Packet{Data: make([]byte, 100_000)}
	p.Config = []byte{1}
	var l media.LastKeyframe
	l.Set(&p)
	require.Zero(t, testing.AllocsPerRun(100, func() { l.Set(&p) }))
}

// A keyframe's piece is in use until the next one comes, and its bytes are copied for who
// asks.
func TestAKeyframeUsesItsPiece(t *testing.T) {
	var l media.LastKeyframe
	var owner offheap.Pieces
	for n := range 3 {
		piece := owner.Take()
		p := media.Packet{Data: piece.Bytes[:3], Piece: piece}
		copy(p.Data, []byte{1, 2, byte(n)})
		l.Set(&p)
		p.Release()
		require.Equal(t, 1, owner.Taken())
		require.Equal(t, []byte{1, 2, byte(n)}, l.Get().Data)
	}
	l.Set(&media.Packet{Data: []byte{7}})
	require.Zero(t, owner.Taken())
	require.Equal(t, []byte{7}, l.Get().Data)
}
