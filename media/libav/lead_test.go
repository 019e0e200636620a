package libav

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestAPositionBeforeTheFirstPictureKeepsTheSoundThere(t *testing.T) {
	server := serve(t)
	plain := clip(t, "plain.mp4")
	for _, name := range []string{"lead.mp4", "lead-fast.mp4", "lead-fragments.mp4", "lead.mkv", "lead.ts", "lead.flv", "lead.m3u8"} {
		t.Run(name, func(t *testing.T) {
			args := []string{"-itsoffset", "3", "-i", plain, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", "10"}
			switch name {
			case "lead-fast.mp4":
				args = append(args, "-movflags", "+faststart")
			case "lead-fragments.mp4":
				args = append(args, "-movflags", "+frag_keyframe+empty_moov+delay_moov")
			case "lead.m3u8":
				args = append(args, "-f", "hls", "-hls_time", "2", "-hls_list_size", "0")
			}
			path := made(t, name, args...)
			s, err := open(t, server+"/"+filepath.Base(path))
			require.NoError(t, err)
			for _, position := range []time.Duration{1500 * time.Millisecond, 2500 * time.Millisecond, 200 * time.Millisecond} {
				require.NoError(t, s.Seek(position))
				// Fragments hold the tracks apart: the sound may stand behind the picture.
				picture, heard := time.Duration(-1), false
				for range 400 {
					p, err := s.ReadPacket()
					require.NoError(t, err)
					at := p.PTS - s.Info().StartTime
					if s.Info().Tracks[p.Track].Type == media.Audio {
						heard = heard || !p.NoPTS && (at-position).Abs() < 30*time.Millisecond
						continue
					}
					if picture < 0 {
						picture = at
						require.True(t, p.Keyframe)
					}
					if at > 5*time.Second {
						break
					}
				}
				require.InDelta(t, 3, picture.Seconds(), 0.1)
				require.True(t, heard, "what sounds at %v", position)
			}
		})
	}
}
