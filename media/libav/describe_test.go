package libav_test

import (
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/bitstream"
	"github.com/roomcast/roomcast/media/mediatest"
)

// What is told of a track without libav is what libav tells of it.
func TestADecoderConfigurationTellsWhatLibavTells(t *testing.T) {
	for name, spec := range map[string]mediatest.Spec{
		"plain":     {},
		"B-frames":  {BFrames: 2},
		"baseline":  {Args: []string{"-profile:v", "baseline"}},
		"ten bits":  {Args: []string{"-profile:v", "high10", "-pix_fmt", "yuv420p10le"}},
		"4:4:4":     {Args: []string{"-profile:v", "high444", "-pix_fmt", "yuv444p"}},
		"wide":      {Args: []string{"-vf", "setsar=64/45"}},
		"PQ":        {Args: []string{"-color_trc", "smpte2084", "-color_primaries", "bt2020", "-colorspace", "bt2020nc"}},
		"mono":      {Args: []string{"-ac", "1"}},
		"fields":    {Args: []string{"-flags", "+ildct+ilme"}},
		"slow":      {FPS: 12},
		"low sound": {Args: []string{"-ar", "22050"}},
	} {
		t.Run(name, func(t *testing.T) {
			clip := mediatest.Clip(t, spec)
			s, err := openURL(t, serve(t, filepath.Dir(clip), httptest.NewServer).URL+"/"+filepath.Base(clip))
			require.NoError(t, err)
			want := s.Info().Tracks
			got, sure := bitstream.DescribeH264(want[0].Extradata)
			require.Equal(t, name != "fields", sure)
			if sure {
				require.InDelta(t, want[0].FPS, got.FPS, 0.01)
				got.FPS, got.Bitrate, got.CodecTag, got.BitsPerSample = want[0].FPS, want[0].Bitrate, want[0].CodecTag, want[0].BitsPerSample
				got.PixelsFixed = want[0].PixelsFixed
				if got.Pixels.Aspect() == want[0].Pixels.Aspect() {
					got.Pixels = want[0].Pixels
				}
				require.Equal(t, want[0], got)
			}
			sound, packet, sure := bitstream.DescribeAAC(want[1].Extradata)
			require.Equal(t, name != "low sound", sure)
			if sure {
				require.NotZero(t, packet)
				require.Equal(t, []any{want[1].Profile, want[1].SampleRate, want[1].Channels}, []any{sound.Profile, sound.SampleRate, sound.Channels})
			}
		})
	}
}
