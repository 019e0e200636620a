package libav

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/program"
)

func TestBlackCanBeRepeatedForEver(t *testing.T) {
	noLeak(t)
	track, gop, err := NewTranscoders(TranscodeConfig{}).Black(smallVideo)
	require.NoError(t, err)
	require.Len(t, gop, 60)
	out := recoded{track: track}
	for i := range 10 {
		for _, p := range gop {
			require.Equal(t, p.PTS == 0, p.Keyframe)
			p.PTS += time.Duration(i) * 2 * time.Second
			p.DTS = p.PTS
			out.packets = append(out.packets, p)
		}
	}
	out.check(t)
	pictures := grey(t, flv(t, out), 320, 180)
	require.Len(t, pictures, 600)
	for _, p := range pictures {
		require.Zero(t, mean(p, 320, 0, 0, 320, 180))
	}
}

func TestSilentAACIsSilentAndOfTheEncodersForm(t *testing.T) {
	in := beeps(t)
	to := roomAudio
	tc := newAudio(t, in.info.Tracks[0], to)
	require.Equal(t, []byte(program.SilentAACConfig), tc.Output().Extradata)
	out := recoded{track: tc.Output()}
	for i := range 100 {
		at := time.Duration(i) * program.SilentAACDuration
		out.packets = append(out.packets, media.Packet{PTS: at, DTS: at, Data: []byte(program.SilentAAC), Keyframe: true})
	}
	for _, v := range samples(t, flv(t, out)) {
		require.Zero(t, v)
	}
	to.Volume = 0
	for _, p := range audio(t, clipPath("beeps.wav"), to).packets[2:] {
		require.Equal(t, []byte(program.SilentAAC), p.Data)
	}
}

func TestSilentAACIsSilentInEveryForm(t *testing.T) {
	in := beeps(t)
	for _, c := range []struct {
		rate, channels int
		data           string
	}{{44100, 2, program.SilentAAC}, {8000, 2, program.SilentAAC}, {48000, 1, program.SilentAACMono}, {44100, 1, program.SilentAACMono}} {
		to := roomAudio
		to.SampleRate, to.Channels = c.rate, c.channels
		out := recoded{track: newAudio(t, in.info.Tracks[0], to).Output()}
		for i := range 100 {
			at := time.Duration(i) * 1024 * time.Second / time.Duration(c.rate)
			out.packets = append(out.packets, media.Packet{PTS: at, DTS: at, Data: []byte(c.data), Keyframe: true})
		}
		heard := samples(t, flv(t, out))
		require.NotEmpty(t, heard)
		for _, v := range heard {
			require.Zero(t, v)
		}
	}
}
