package libav

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestRecordingsPutTogetherLoseNoPicture(t *testing.T) {
	noLeak(t)
	for _, video := range []string{"h264", "b-frames", "hevc", "mpeg2"} {
		t.Run(video, func(t *testing.T) {
			var parts []string
			pictures := 0
			for seconds := 1; seconds <= 4; seconds++ {
				parts = append(parts, partTS(t, video, "aac", seconds, 0))
				pictures += 25 * seconds
			}
			in := read(t, joined(t, "counts-"+video+".ts", parts...))
			got := 0
			for _, p := range in.packets {
				require.False(t, p.Corrupt)
				if in.info.Tracks[p.Track].Type == media.Video {
					got++
				}
			}
			require.Equal(t, pictures, got)
		})
	}
}

func TestALossInATransportStreamIsSeen(t *testing.T) {
	noLeak(t)
	whole, err := os.ReadFile(partTS(t, "h264", "aac", 4, 0))
	require.NoError(t, err)
	for name, lost := range map[string][2]int{"in the middle": {100, 103}, "the table, too": {0, 12}} {
		t.Run(name, func(t *testing.T) {
			half := len(whole) / tsPacket / 2
			for whole[half*tsPacket+1]&0x1f != 0 || whole[half*tsPacket+2] != 0 { // the table's packet
				half++
			}
			cut := append(append([]byte{}, whole[:(half+lost[0])*tsPacket]...), whole[(half+lost[1])*tsPacket:]...)
			path := clips.dir + "/lost-" + name + ".ts"
			require.NoError(t, os.WriteFile(path, cut, 0o600))
			corrupt := 0
			for _, p := range read(t, path).packets {
				if p.Corrupt {
					corrupt++
				}
			}
			require.Positive(t, corrupt)
		})
	}
}

// scramble lets the packets of a stream say that they are scrambled, and makes them so.
func scramble(ts []byte, pid int) {
	for p := range slices.Chunk(ts, tsPacket) {
		if int(p[1]&0x1f)<<8|int(p[2]) == pid {
			p[3] = p[3]&^0x20 | 0x80
			for i := range p[tsHeader:] {
				p[tsHeader+i] ^= byte(i*i + 1)
			}
		}
	}
}

func TestAScrambledStreamIsCalledSo(t *testing.T) {
	noLeak(t)
	ts, err := os.ReadFile(partTS(t, "h264", "aac", 4, 0))
	require.NoError(t, err)
	path := clips.dir + "/scrambled.ts"
	scramble(ts, 0x100)
	require.NoError(t, os.WriteFile(path, ts, 0o600))
	info := read(t, path).info
	require.Len(t, info.Tracks, 1)
	require.Equal(t, media.LeftScrambled, info.Streams[0].LeftOut)
	require.Empty(t, info.Streams[1].LeftOut)
}
