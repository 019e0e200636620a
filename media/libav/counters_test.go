package libav

import (
	"fmt"
	"os"
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
			for _, seconds := range []int{1, 2, 3, 4, 7, 1} { // seven seconds of hevc have 64 program tables: they go on to zero
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

func TestNoPictureIsLostWhereANumberGoesToAnotherCodec(t *testing.T) {
	noLeak(t)
	for _, c := range [][4]string{
		{"h264", "aac", "hevc", "aac"}, {"hevc", "aac", "h264", "mp3"}, {"b-frames", "mp3", "mpeg2", "aac"}, {"mpeg2", "mp2", "h264", "aac"},
		{"h264", "aac", "", "aac"}, {"b-frames", "aac", "", "mp3"},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			first, second := partTS(t, c[0], c[1], 7, 0), partTS(t, c[2], c[3], 3, 7)
			in := read(t, joined(t, fmt.Sprintf("whole-%v.ts", c), first, second))
			in.requireWhole(t)
			pictures := 0
			for _, p := range in.packets {
				if p.Track == 0 {
					pictures++
				}
			}
			want := 7 * 25
			if c[2] != "" {
				want += 3 * 25
			}
			require.Equal(t, want, pictures)
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
