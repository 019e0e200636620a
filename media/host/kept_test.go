package host

import (
	"encoding/binary"
	"testing"

	"github.com/roomcast/roomcast/media"
	"github.com/stretchr/testify/require"
)

// flvOf is an FLV of so many tags of a size, and where those begin.
func flvOf(count, size int) (all []byte, begins []int64) {
	all = append([]byte("FLV\x01\x05\x00\x00\x00\x09"), 0, 0, 0, 0)
	for i := range count {
		begins = append(begins, int64(len(all)))
		all = append(all, 9, byte(size>>16), byte(size>>8), byte(size), 0, 0, 0, 0, 0, 0, 0)
		all = append(all, make([]byte, size)...)
		all[len(all)-1] = byte(i)
		all = binary.BigEndian.AppendUint32(all, uint32(11+size))
	}
	return all, begins
}

var videoAlone = []media.Track{{Type: media.Video}}

func TestWhatIsKeptBeginsWithTheHeadAndTheLastKeyframe(t *testing.T) {
	all, begins := flvOf(500, 10_000)
	var k kept
	k.add(all[:begins[20]])
	k.opened("flv")
	fed := 20
	for i, at := range begins[:495] {
		k.came(media.Packet{Offset: at + 16, Keyframe: i%25 == 0}, videoAlone)
		if fed < i+5 {
			k.add(all[begins[fed]:begins[i+5]])
			fed = i + 5
		}
	}
	require.True(t, k.suffices())
	got := k.again()
	head := begins[19]
	require.Equal(t, all[:head], got[:head], "the last packet of what was read at the opening")
	require.Equal(t, all[begins[475]:begins[499]], got[head:])
	require.Equal(t, got, k.again())
}

func TestNoMoreIsKeptThanMayBe(t *testing.T) {
	const far = 10_000_000
	for container, any := range map[string]bool{"flv": true, "mpegts": true, "ogg": false} {
		all, begins := flvOf(1000, 10_000)
		var k kept
		k.add(all[:begins[20]])
		k.opened(container)
		k.came(media.Packet{Offset: begins[10]}, videoAlone)
		for i, at := range begins[20:999] {
			k.add(all[at:begins[i+21]])
			require.LessOrEqual(t, len(k.head)+len(k.tail), mostKept)
		}
		require.False(t, k.suffices(), "a keyframe has not come for too long")
		if any {
			k.came(media.Packet{Offset: begins[900], Keyframe: true}, videoAlone)
			require.True(t, k.suffices(), "but now it has")
			k.came(media.Packet{Offset: far * far, Keyframe: true}, videoAlone)
		}
	}
}
