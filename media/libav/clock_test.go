package libav

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
)

// flvFrom is clip's FLV with a clock that begins at another time, without the length in its
// metadata where bare.
func flvFrom(t *testing.T, name string, at time.Duration, bare bool) string {
	t.Helper()
	flv, err := os.ReadFile(clip(t, "plain.flv"))
	if bare {
		flv, err = os.ReadFile(made(t, "bare.flv", "-i", clip(t, "plain.flv"), "-c", "copy", "-flvflags", "no_duration_filesize"))
	}
	require.NoError(t, err)
	path := filepath.Join(filepath.Dir(clip(t, "plain.flv")), name)
	require.NoError(t, os.WriteFile(path, mediatest.FromClock(flv, at), 0o600))
	return path
}

func TestAClockMayBeginAnywhere(t *testing.T) {
	const wrap = flvWrap
	muxed := func(name, offset string) string {
		return made(t, name, "-i", clip(t, "plain.flv"), "-c", "copy", "-output_ts_offset", offset)
	}
	for name, path := range map[string]string{
		"flv, 20 days":                     flvFrom(t, "days.flv", 1_700_000_000*time.Millisecond, false),
		"flv, 20 days, no length told":     flvFrom(t, "days-bare.flv", 1_700_000_000*time.Millisecond, true),
		"flv, 20 days, the end told":       muxed("days-muxed.flv", "1700000"),
		"flv, half a minute":               flvFrom(t, "soon-bare.flv", 30*time.Second, true),
		"flv, 40 days":                     flvFrom(t, "longer-bare.flv", 3_500_000_000*time.Millisecond, true),
		"flv, the clock wraps":             flvFrom(t, "wraps.flv", wrap-6*time.Second, false),
		"flv, it wraps, no length told":    flvFrom(t, "wraps-bare.flv", wrap-6*time.Second, true),
		"flv, it wraps soon after begin":   flvFrom(t, "wraps-soon.flv", wrap-100*time.Millisecond, true),
		"flv, it wraps just before end":    flvFrom(t, "wraps-late.flv", wrap-11*time.Second, true),
		"ts, 5 hours":                      muxed("hours.ts", "18000"),
		"ts, the clock wraps":              muxed("wraps.ts", "95438"),
		"mkv, 5 hours":                     muxed("hours.mkv", "18000"),
		"mkv, 40 days":                     muxed("days.mkv", "3500000"),
		"mp4, 5 hours":                     muxed("hours.mp4", "18000"),
		"flv, begins at 0":                 clip(t, "plain.flv"),
		"flv, begins at 0, no length told": flvFrom(t, "zero-bare.flv", 0, true),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open(t, serve(t)+"/"+filepath.Base(path))
			require.NoError(t, err)
			info := s.Info()
			require.InDelta(t, clipSeconds, info.Duration.Seconds(), 0.15)
			first := firstPicture(t, s)
			require.InDelta(t, 0, (first - info.StartTime).Seconds(), 0.15)
			for _, to := range []time.Duration{7, 3, 11} {
				require.NoError(t, s.Seek(to*time.Second))
				at := (firstPicture(t, s) - info.StartTime).Seconds()
				require.InDelta(t, float64(to)-1, at, 0.15, "the keyframe before second %d", to)
			}
		})
	}
}

// firstPicture is the PTS of the next picture, a keyframe.
func firstPicture(t *testing.T, s media.Source) time.Duration {
	t.Helper()
	for {
		p, err := s.ReadPacket()
		require.NoError(t, err)
		if s.Info().Tracks[p.Track].Type == media.Video {
			require.True(t, p.Keyframe)
			return p.PTS
		}
	}
}
