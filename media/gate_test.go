package media

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// restOf reads a feed until its end and returns the times of its sound.
func restOf(t *testing.T, f *feed) (sound []time.Duration) {
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
			f := openFragments(t, fragments{fakeSource: &fakeSource{info: info}, length: c.length, sound: true, rate: 1,
				leave: func(p Packet) bool { return p.Track == 0 && p.DTS < c.until }}, c.mode)
			defer f.close()
			require.Equal(t, c.mode == ModeLive, f.realtime)
			require.Equal(t, c.first, restOf(t, f)[0])
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
		f := openFragments(t, fragments{fakeSource: &fakeSource{info: clip(12 * time.Second)}, length: 6 * time.Second, sound: true}, ModeVOD)
		defer f.close()
		_, err := f.look(t.Context())
		require.NoError(t, err)
		reached, err := f.skipTo(t.Context(), 3500*time.Millisecond, maxSkip)
		require.NoError(t, err)
		require.True(t, reached)
		sound := restOf(t, f)
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

func TestTheLookAheadIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := clip(time.Hour)
		info.Tracks[0].Extradata = nil // never known: no parameter sets come
		f, err := openFeed(t.Context(), openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
			return &fat{&fakeSource{ctx: ctx, info: info}}, nil
		}), SourceRequest{}, part{}, nil)
		require.NoError(t, err)
		defer f.close()
		_, err = f.look(t.Context())
		require.NoError(t, err)
		require.False(t, f.configured())
		held := 0
		for _, p := range f.held {
			held += len(p.Data)
		}
		require.Less(t, held, queueBytes+(1<<20))
	})
}

// fat makes every packet 100 KiB.
type fat struct{ *fakeSource }

func (s *fat) ReadPacket() (Packet, error) {
	p, err := s.fakeSource.ReadPacket()
	p.Data = append(p.Data, make([]byte, 100<<10)...)
	return p, err
}

// opened opens a feed of what s gives out.
func openFragments(t *testing.T, s fragments, mode SourceMode) *feed {
	t.Helper()
	f, err := openFeed(t.Context(), openerFunc(func(ctx context.Context, _ SourceRequest) (Source, error) {
		s.ctx = ctx
		return &s, nil
	}), SourceRequest{Mode: mode}, part{}, nil)
	require.NoError(t, err)
	return f
}
