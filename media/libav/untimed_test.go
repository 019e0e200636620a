package libav

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAMatroskaThatBeginsBelowZeroHasItsTimes(t *testing.T) {
	in := read(t, made(t, "below.mkv", "-itsoffset", "-0.5", "-i", clip(t, "plain.mp4"), "-c", "copy", "-copyts", "-avoid_negative_ts", "disabled"))
	require.InDelta(t, -0.5, in.info.StartTime.Seconds(), 0.05)
	require.InDelta(t, clipSeconds, in.info.Duration.Seconds(), 0.1)
	pictures := 0
	for _, p := range in.packets {
		require.False(t, p.NoPTS || p.NoDTS)
		if p.Track == 0 {
			require.InDelta(t, -0.5+float64(pictures)/clipFPS, p.PTS.Seconds(), 0.03)
			require.Equal(t, p.PTS, p.DTS)
			pictures++
		}
	}
	require.Equal(t, clipFrames, pictures)
}
