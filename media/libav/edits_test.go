package libav

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/mediatest"
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

func TestAnEditOfNothingInTheMiddleIsAHole(t *testing.T) {
	for _, c := range []struct {
		parts []string
		holes [][2]float64 // seconds
		ends  float64
	}{
		{[]string{"0-4", "-2", "8-12"}, [][2]float64{{4, 6}}, 10},
		{[]string{"0-3", "-1.5", "7-12", "-3", "2-4"}, [][2]float64{{3, 4.5}, {9.5, 12.5}}, 14.5},
		{[]string{"-1", "4-6", "-1", "0-2"}, [][2]float64{{3, 4}}, 6},
		{[]string{"0-4", "-2"}, nil, 4},
	} {
		t.Run(fmt.Sprint(c.parts), func(t *testing.T) {
			s := edited(t, c.parts...)
			require.False(t, s.Info().Retimed)
			if len(c.holes) > 0 {
				require.InDelta(t, c.ends, s.Info().Duration.Seconds(), 0.05)
			}
			var before [2]time.Duration
			var holes [2][][2]float64
			for i, p := range readAll(t, s) {
				if p.Discard {
					continue
				}
				if gap := p.DTS - before[p.Track]; i > 2 && gap > 100*time.Millisecond {
					holes[p.Track] = append(holes[p.Track], [2]float64{before[p.Track].Seconds(), p.DTS.Seconds()})
				}
				before[p.Track] = p.DTS + p.Duration
			}
			for track := range before {
				require.Len(t, holes[track], len(c.holes), "track %d", track)
				for i, h := range c.holes {
					require.InDelta(t, h[0], holes[track][i][0], 0.05)
					require.InDelta(t, h[1], holes[track][i][1], 0.05)
				}
				require.InDelta(t, c.ends, before[track].Seconds(), 0.05)
			}
		})
	}
}

func TestAnEditListThatWantsAnotherSpeedIsTold(t *testing.T) {
	for parts, want := range map[string]bool{"0-4": false, "0-4 -1 8-12": false, "0-4 4-6@0.5": true, "0-2@2 4-6": true, "0-4 6-6@0": true} {
		require.Equal(t, want, edited(t, strings.Fields(parts)...).Info().Retimed, parts)
	}
}

func TestAClipWithAHoleCanBeSought(t *testing.T) {
	s := edited(t, "0-4", "-2", "8-12")
	for to, least := range map[float64]float64{1: 0, 3.9: 2, 4.1: 2, 5: 2, 5.9: 2, 6.1: 6, 9: 8} {
		require.NoError(t, s.Seek(time.Duration(to*float64(time.Second))))
		first := media.Packet{Track: -1}
		for first.Track != 0 || first.Discard {
			p, err := s.ReadPacket()
			require.NoError(t, err)
			first = p
		}
		require.True(t, first.Keyframe)
		require.GreaterOrEqual(t, first.PTS.Seconds(), least-0.01, "to %v", to)
		require.LessOrEqual(t, first.PTS.Seconds(), max(to, 6.01), "to %v", to)
	}
}
