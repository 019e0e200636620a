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
		require.Same(t, &kept.Data[0], &k.Data[0], "nothing was copied")
	})
}

func TestAKeyframeCostsNothingWhileNobodyLooks(t *testing.T) {
	data, config := make([]byte, 100_000), []byte{1}
	for name, l := range map[string]*media.LastKeyframe{"nobody looks": {}, "previews are off": nil} {
		require.Zero(t, testing.AllocsPerRun(100, func() { l.Set(data, config) }), name)
	}
}

func TestAHugeKeyframeIsNotKept(t *testing.T) {
	var l media.LastKeyframe
	l.Set([]byte{1}, nil)
	l.Set(make([]byte, 2<<20), nil)
	require.EqualValues(t, 2, l.Get().Number)
	l.Set(make([]byte, 2<<20+1), nil)
	require.Zero(t, l.Get(), "nor is the one before shown for it")
	l.Set([]byte{2}, nil)
	require.EqualValues(t, 4, l.Get().Number, "it counts")
}
