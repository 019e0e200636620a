package libav

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestThePictureBehindWhatAnFLVHasDamagedIsSaidToBeCorrupt(t *testing.T) {
	data, err := os.ReadFile(clip(t, "plain.flv"))
	require.NoError(t, err)
	for at := len(data) / 2; at < len(data)/2+8000; at++ {
		data[at] = 0x5a
	}
	s, err := openBytes(t, "a.flv", data)
	require.NoError(t, err)
	video := -1
	for i, track := range s.Info().Tracks {
		if track.Type == media.Video {
			video = i
		}
	}
	last, corrupt := time.Duration(0), 0
	for _, p := range readAll(t, s) {
		if p.Track != video {
			continue
		}
		if gap := p.DTS - last; gap > time.Second/clipFPS+2*time.Millisecond {
			require.Equal(t, !p.Keyframe, p.Corrupt, "at %v, %v behind the one before", p.DTS, gap)
		}
		last = p.DTS
		if p.Corrupt {
			corrupt++
		}
	}
	require.Equal(t, 1, corrupt)
}
