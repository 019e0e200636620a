package libav

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/stretchr/testify/require"
)

// edited is a clip of these parts of the usual one, which has a keyframe every
// two seconds.
func edited(t *testing.T, parts ...string) media.Source {
	t.Helper()
	plain := made(t, "index-at-end.mp4", "-i", clip(t, "plain.mp4"), "-c", "copy")
	path := filepath.Join(filepath.Dir(plain), fmt.Sprintf("edited %q.mp4", parts))
	require.NoError(t, os.WriteFile(path, mediatest.Edited(t, plain, parts), 0o600))
	in := read(t, path)
	s, err := open(t, serve(t)+"/"+filepath.Base(path))
	require.NoError(t, err)
	require.NotEmpty(t, in.packets)
	return s
}

func TestWhatAnEditListLeavesOutIsNeitherSeenNorHeard(t *testing.T) {
	for _, c := range []struct {
		parts []string
		left  int // pictures that are there to decode others with
	}{
		{[]string{"0-4", "8-12"}, 0},
		{[]string{"8-12", "0-4"}, 0},
		{[]string{"0-3", "7-12"}, 25},
		{[]string{"1-5", "5.4-6", "6.6-10"}, 25 + 35 + 15},
	} {
		t.Run(fmt.Sprint(c.parts), func(t *testing.T) {
			s := edited(t, c.parts...)
			require.InDelta(t, 8, s.Info().Duration.Seconds(), 0.05)
			var shown, left int
			var before [2]media.Packet
			for i, p := range readAll(t, s) {
				if p.Discard {
					left++
					continue
				}
				last := before[p.Track]
				if i > 2 {
					require.InDelta(t, (last.DTS + last.Duration).Seconds(), p.DTS.Seconds(), 0.025, "track %d goes on where it was", p.Track)
				}
				before[p.Track] = p
				if s.Info().Tracks[p.Track].Type == media.Video {
					shown++
				}
			}
			require.Equal(t, [2]int{8 * clipFPS, c.left}, [2]int{shown, left})
			for _, p := range before {
				require.InDelta(t, 8, (p.DTS + p.Duration).Seconds(), 0.05)
			}
		})
	}
}

func TestAnEditedClipCanBeSought(t *testing.T) {
	for _, parts := range [][]string{{"0-4", "8-12"}, {"0-3", "7-12"}, {"8-12", "0-4"}, {"1-5", "5.4-6", "6.6-10"}} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			s := edited(t, parts...)
			whole := make(map[time.Duration][]byte)
			for _, p := range readAll(t, s) {
				if !p.Discard && p.Track == 0 {
					whole[p.PTS] = p.Data
				}
			}
			for to := time.Duration(0); to < 8*time.Second; to += 300 * time.Millisecond {
				require.NoError(t, s.Seek(to))
				first, key := time.Duration(-1), false
				for range 300 {
					p, err := s.ReadPacket()
					require.NoError(t, err)
					if p.Track != 0 {
						continue
					}
					if first < 0 && !key {
						require.True(t, p.Keyframe)
						key = true
					}
					if !p.Discard {
						first = p.PTS
						require.Equal(t, whole[p.PTS], p.Data, "at %v", p.PTS)
						break
					}
				}
				require.LessOrEqual(t, first, to, "to %v", to)
				require.Greater(t, first, to-2*time.Second, "to %v", to)
			}
		})
	}
}

func TestTheEditsOfSoundAlone(t *testing.T) {
	plain := made(t, "sound-at-end.mp4", "-i", clip(t, "plain.mp4"), "-vn", "-c", "copy")
	path := filepath.Join(filepath.Dir(plain), "sound-edited.mp4")
	require.NoError(t, os.WriteFile(path, mediatest.Edited(t, plain, []string{"0-4", "8-12"}), 0o600))
	in := read(t, path)
	last := in.packets[len(in.packets)-1]
	require.InDelta(t, 8, (last.DTS + last.Duration).Seconds(), 0.05)
	require.Less(t, in.packets[0].PTS, time.Duration(0), "decoders begin with the sound before the first")
	for i, p := range in.packets[1:] {
		require.Greater(t, p.DTS, in.packets[i].DTS)
	}
}
