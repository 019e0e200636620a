package input

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/fakesource"
	"github.com/roomcast/roomcast/media/offheap"
)

// restOf reads an input until its end and returns the times of its sound.
func restOf(t *testing.T, f *Input) (sound []time.Duration) {
	t.Helper()
	for i := 0; ; i++ {
		p, err := f.Next(t.Context(), f.Patience())
		if err != nil {
			require.Zero(t, f.queue.Left())
			return sound
		}
		require.True(t, i > 0 || p.Keyframe && f.gate.Kind(&p) == media.Video, "the first is a picture")
		if f.gate.Kind(&p) == media.Audio {
			sound = append(sound, p.PTS)
		}
	}
}

func TestSoundThatStandsBeforeTheFirstKeyframeIsKept(t *testing.T) {
	for _, c := range []struct {
		mode          media.SourceMode
		length, first time.Duration // of a fragment; of what is kept
		until         time.Duration // there is no picture before
	}{
		{media.ModeVOD, time.Second, fakesource.AudioFrame, 0},
		{media.ModeVOD, 15 * time.Second, fakesource.AudioFrame, 0},
		{media.ModeVOD, time.Second, fakesource.AudioFrame, 3 * time.Second}, // the first picture stands before its time
		{media.ModeVOD, 30 * time.Second, 9980 * time.Millisecond, 0},
		{media.ModeLive, time.Second, fakesource.AudioFrame, 0},
		{media.ModeLive, 5 * time.Second, 2980 * time.Millisecond, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			info := fakesource.Clip(40 * time.Second)
			info.Live = c.mode == media.ModeLive
			f := openFragments(t, fakesource.Fragments{Source: &fakesource.Source{Of: info}, Length: c.length, Sound: true, Rate: 1,
				Leave: func(p media.Packet) bool { return p.Track == 0 && p.DTS < c.until }}, c.mode)
			defer f.Close()
			require.Equal(t, c.mode == media.ModeLive, f.Realtime)
			require.Equal(t, c.first, restOf(t, f)[0])
		})
	}
}

func TestWhatIsKeptOfSoundIsBoundedInBytes(t *testing.T) {
	var lost bitstream.Pending
	e := earlySound{span: time.Hour}
	for k := range 1000 {
		e.add(media.Packet{Track: 1, PTS: time.Duration(k) * fakesource.Frame, Data: make([]byte, 100<<10)}, &lost)
		require.LessOrEqual(t, e.bytes, earlyBytes)
	}
	require.Equal(t, 999*fakesource.Frame, e.packets[len(e.packets)-1].PTS)
	e.add(media.Packet{Data: make([]byte, earlyBytes)}, &lost)
	require.Empty(t, e.packets)
	require.Zero(t, e.bytes)
}

func TestSoundIsNotLeftOutAfterTheClockWentBack(t *testing.T) {
	g := clock.NewStartGate(fakesource.Clip(time.Hour).Tracks)
	require.False(t, g.Pass(&media.Packet{Track: 1, PTS: 9 * time.Second}))
	require.True(t, g.Pass(&media.Packet{PTS: 10 * time.Second, Keyframe: true}))
	require.False(t, g.Pass(&media.Packet{Track: 1, PTS: 9900 * time.Millisecond, Duration: 20 * time.Millisecond}))
	require.True(t, g.Pass(&media.Packet{Track: 1, PTS: 10 * time.Second, Duration: 20 * time.Millisecond}))
	require.True(t, g.Pass(&media.Packet{Track: 1, PTS: time.Second, Duration: 20 * time.Millisecond}))
}

func TestASkipKeepsTheSoundThatStandsBeforeItsKeyframe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openFragments(t, fakesource.Fragments{Source: &fakesource.Source{Of: fakesource.Clip(12 * time.Second)}, Length: 6 * time.Second, Sound: true}, media.ModeVOD)
		defer f.Close()
		_, err := f.Probe(t.Context())
		require.NoError(t, err)
		reached, err := f.SkipTo(t.Context(), 3500*time.Millisecond, MaxSkip)
		require.NoError(t, err)
		require.True(t, reached)
		sound := restOf(t, f)
		require.Equal(t, 3*time.Second+fakesource.AudioFrame, sound[0])
		require.Len(t, sound, 225)
	})
}

func TestSoundThatBeginsBehindAJumpOfTheClockIsNotTakenForOneBeforeThePicture(t *testing.T) {
	for name, jump := range map[string][]media.Packet{
		"by more than tracks are apart": {{Track: 1, PTS: time.Second, DTS: time.Second}},
		"the picture has told of it":    {{PTS: 50 * time.Second, DTS: 50 * time.Second}, {Track: 1, PTS: 51 * time.Second, DTS: 51 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			g := clock.NewStartGate([]media.Track{{Type: media.Video}, {Type: media.Audio}})
			require.True(t, g.Pass(&media.Packet{Keyframe: true, PTS: time.Minute, DTS: time.Minute}))
			require.False(t, g.Pass(&media.Packet{Track: 1, PTS: 59 * time.Second, DTS: 59 * time.Second}))
			for _, p := range jump {
				require.True(t, g.Pass(&p))
			}
		})
	}
}

func TestTheLookAheadIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Clip(time.Hour)
		info.Tracks[0].Extradata = nil // never known: no parameter sets come
		f, err := Open(t.Context(), fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			return &fat{&fakesource.Source{Ctx: ctx, Of: info}}, nil
		}), media.SourceRequest{}, Part{}, nil)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Probe(t.Context())
		require.NoError(t, err)
		require.False(t, f.configured())
		held := 0
		for _, p := range f.ahead {
			held += len(p.Data)
		}
		require.Less(t, held, QueueBytes+(1<<20))
	})
}

// fat makes every packet 100 KiB.
type fat struct{ *fakesource.Source }

func (s *fat) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	p.Data = append(p.Data, make([]byte, 100<<10)...)
	return p, err
}

// resized lets its pictures become larger after a few, as they alone say.
type resized struct {
	*fakesource.Source
	pictures int
}

// Parameter sets of 320x180 and 1920x1080.
var (
	smaller = []byte("\x00\x00\x01\x67\x42\xc0\x0d\xda\x05\x06\x7e\x7c\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0f\x03\xc5\x0a\xa8\x00\x00\x01\x68\xce\x0f\xc8")
	larger  = []byte("\x00\x00\x01\x67\x42\xc0\x28\xd9\x00\x78\x02\x27\xe5\x84\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf0\x3c\x60\xc9\x20\x00\x00\x01\x68\xcb\x8c\xb2")
)

func (s *resized) ReadPacket() (media.Packet, error) {
	p, err := s.Source.ReadPacket()
	if p.Track == 0 {
		picture := []byte("\x00\x00\x01\x65\xb8")
		switch s.pictures++; s.pictures {
		case 1:
			picture = append(smaller[:len(smaller):len(smaller)], picture...)
		case 5:
			picture = append(larger[:len(larger):len(larger)], picture...)
		}
		p.Data = picture
	}
	return p, err
}

func TestTheFirstPicturesSizeIsKnownThoughThatOfTheNextIsSeenToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info := fakesource.Clip(time.Minute)
		info.Tracks[0].Extradata = nil
		f, err := Open(t.Context(), fakesource.Opener(func(ctx context.Context) (media.Source, error) {
			return &resized{Source: &fakesource.Source{Ctx: ctx, Of: info}}, nil
		}), media.SourceRequest{}, Part{}, nil)
		require.NoError(t, err)
		defer f.Close()
		_, err = f.Probe(t.Context())
		require.NoError(t, err)
		require.Equal(t, 320, bitstream.Configured(info.Tracks[0], f.Filter(media.Video).Config()).Width)
	})
}

// opened opens an input of what s gives out.
func openFragments(t *testing.T, s fakesource.Fragments, mode media.SourceMode) *Input {
	t.Helper()
	f, err := Open(t.Context(), fakesource.Opener(func(ctx context.Context) (media.Source, error) {
		s.Ctx = ctx
		return &s, nil
	}), media.SourceRequest{Mode: mode}, Part{}, nil)
	require.NoError(t, err)
	return f
}

// What the first picture tells of its track is told once, with what comes first of it: the
// picture, or that as it stands before its time.
func TestWhatTheFirstPictureTellsComesWithWhatIsFirstOfIt(t *testing.T) {
	for _, lead := range []time.Duration{100 * time.Millisecond, 2 * time.Second} {
		in := &Input{Info: fakesource.Clip(time.Minute)}
		in.gate = clock.NewStartGate(in.Info.Tracks)
		in.early.span = time.Minute
		var pieces offheap.Pieces
		for at := time.Duration(0); at < lead; at += fakesource.AudioFrame {
			in.early.add(media.Packet{Track: 1, PTS: at, DTS: at, Duration: fakesource.AudioFrame}, &in.pending)
		}
		piece := pieces.Take()
		key := media.Packet{PTS: lead, DTS: lead, Keyframe: true, Extradata: []byte{7}, Data: piece.Bytes[:9], Piece: piece}
		in.ahead = append([]media.Packet{in.begins(key)}, in.ahead...)
		told := 0
		for i := range in.ahead {
			if p := &in.ahead[i]; p.Track == 0 {
				require.Equal(t, told == 0, p.Extradata != nil)
				told++
			}
		}
		require.Equal(t, lead > time.Second, told > 1)
		media.Release(in.ahead)
		require.Zero(t, pieces.Taken())
	}
}
