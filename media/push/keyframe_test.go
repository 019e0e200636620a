package push

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
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
	data, config := make([]byte, 100_000), []byte{1}
	var l media.LastKeyframe
	l.Set(data, config)
	require.Zero(t, testing.AllocsPerRun(100, func() { l.Set(data, config) }))
}
