package libav

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestAHoleInAnMP4sSoundIsNotALongPacket(t *testing.T) {
	path := made(t, "hole.mp4", "-i", clip(t, "plain.mkv"), "-c", "copy", "-bsf:a", `noise=drop=between(n\,100\,200)`)
	s, err := open(t, serve(t)+"/"+filepath.Base(path))
	require.NoError(t, err)
	sound := 0
	for p, err := s.ReadPacket(); err == nil; p, err = s.ReadPacket() {
		if s.Info().Tracks[p.Track].Type == media.Audio {
			sound++
			require.LessOrEqual(t, p.Duration, 30*time.Millisecond, "at %v", p.PTS)
		}
	}
	require.Greater(t, sound, 300)
}
