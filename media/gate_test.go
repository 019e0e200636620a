package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// rest reads a feed until its end and returns the times of its sound.
func (f *feed) rest(t *testing.T) (sound []time.Duration) {
	t.Helper()
	for i := 0; ; i++ {
		p, err := f.next(t.Context(), f.patience())
		if err != nil {
			require.Zero(t, f.queue.left())
			return sound
		}
		require.True(t, i > 0 || p.Keyframe && f.gate.kind(p) == Video, "the first is a picture")
		if f.gate.kind(p) == Audio {
			sound = append(sound, p.PTS)
		}
	}
}

func TestSoundThatStandsBeforeTheFirstKeyframeIsKept(t *testing.T) {
	for _, c := range []struct {
		mode          SourceMode
		length, first time.Duration // of a fragment; of what is kept
		until         time.Duration // there is no picture before
	}{
		{ModeVOD, time.Second, audioFrame, 0},
		{ModeVOD, 15 * time.Second, audioFrame, 0},
		{ModeVOD, time.Second, audioFrame, 3 * time.Second}, // the first picture stands before its time
		{ModeVOD, 30 * time.Second, 9980 * time.Millisecond, 0},
		{ModeLive, time.Second, audioFrame, 0},
		{ModeLive, 5 * time.Second, 2980 * time.Millisecond, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			info := clip(40 * time.Second)
			info.Live = c.mode == ModeLive
			f := fragments{fakeSource: &fakeSource{info: info}, length: c.length, sound: true, rate: 1,
				leave: func(p Packet) bool { return p.Track == 0 && p.DTS < c.until }}.opened(t, c.mode)
			defer f.close()
			require.Equal(t, c.mode == ModeLive, f.realtime)
			require.Equal(t, c.first, f.rest(t)[0])
		})
	}
}

func TestWhatIsKeptOfSoundIsBoundedInBytes(t *testing.T) {
	var lost configs
	e := earlySound{span: time.Hour}
	for k := range 1000 {
		e.add(Packet{Track: 1, PTS: time.Duration(k) * frame, Data: make([]byte, 100<<10)}, &lost)
		require.LessOrEqual(t, e.bytes, earlyBytes)
	}
	require.Equal(t, 999*frame, e.packets[len(e.packets)-1].PTS)
	e.add(Packet{Data: make([]byte, earlyBytes)}, &lost)
	require.Empty(t, e.packets)
	require.Zero(t, e.bytes)
}

func TestSoundIsNotLeftOutAfterTheClockWentBack(t *testing.T) {
	g := newStartGate(clip(time.Hour).Tracks)
	require.False(t, g.pass(Packet{Track: 1, PTS: 9 * time.Second}))
	require.True(t, g.pass(Packet{PTS: 10 * time.Second, Keyframe: true}))
	require.False(t, g.pass(Packet{Track: 1, PTS: 9900 * time.Millisecond, Duration: 20 * time.Millisecond}))
	require.True(t, g.pass(Packet{Track: 1, PTS: 10 * time.Second, Duration: 20 * time.Millisecond}))
	require.True(t, g.pass(Packet{Track: 1, PTS: time.Second, Duration: 20 * time.Millisecond}))
}

func TestASkipKeepsTheSoundThatStandsBeforeItsKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fragments{fakeSource: &fakeSource{info: clip(12 * time.Second)}, length: 6 * time.Second, sound: true}.opened(t, ModeVOD)
		defer f.close()
		_, err := f.look(t.Context())
		require.NoError(t, err)
		reached, err := f.skipTo(t.Context(), 3500*time.Millisecond, maxSkip)
		require.NoError(t, err)
		require.True(t, reached)
		sound := f.rest(t)
		require.Equal(t, 3*time.Second+audioFrame, sound[0])
		require.Len(t, sound, 225)
	})
}

func TestSoundThatBeginsBehindAJumpOfTheClockIsNotTakenForOneBeforeThePicture(t *testing.T) {
	for name, jump := range map[string][]Packet{
		"by more than tracks are apart": {{Track: 1, PTS: time.Second, DTS: time.Second}},
		"the picture has told of it":    {{PTS: 50 * time.Second, DTS: 50 * time.Second}, {Track: 1, PTS: 51 * time.Second, DTS: 51 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newStartGate([]Track{{Type: Video}, {Type: Audio}})
			require.True(t, g.pass(Packet{Keyframe: true, PTS: time.Minute, DTS: time.Minute}))
			require.False(t, g.pass(Packet{Track: 1, PTS: 59 * time.Second, DTS: 59 * time.Second}))
			for _, p := range jump {
				require.True(t, g.pass(p))
			}
		})
	}
}
