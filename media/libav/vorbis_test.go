package libav

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestVorbisWithEmptyPacketsKeepsItsTimes(t *testing.T) {
	ffmpegOnce(t, "sound.ogg", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-f", "lavfi", "-i", "sine=sample_rate=48000",
		"-t", "8", "-c:v", "libtheora", "-g", "25", "-c:a", "libvorbis", "-page_duration", "300000")
	plain, err := os.ReadFile(filepath.Join(clips.dir, "sound.ogg"))
	require.NoError(t, err)
	hollow := withEmptyPackets(plain)
	require.Greater(t, len(hollow), len(plain))
	require.NoError(t, os.WriteFile(filepath.Join(clips.dir, "hollow.ogg"), hollow, 0o600))
	server := serve(t)
	want := soundOf(t, server+"/sound.ogg", 0)
	require.Equal(t, len(want), len(soundOf(t, server+"/hollow.ogg", 0)))
	for _, from := range []time.Duration{0, 3 * time.Second, 5500 * time.Millisecond} {
		got := soundOf(t, server+"/hollow.ogg", from)
		require.InDelta(t, len(want)-int(from.Seconds()*48000/1024), len(got), 80, "from %v", from)
		for i, p := range got { // the same packets, counted from the end
			same := want[len(want)-len(got)+i]
			require.Equal(t, same.Data, p.Data)
			require.InDelta(t, same.PTS.Seconds(), p.PTS.Seconds(), 0.03, "packet %d from %v", i, from)
			require.Equal(t, p.PTS, p.DTS)
		}
	}
}

// soundOf returns the audio packets of a source from a position on.
func soundOf(t *testing.T, address string, from time.Duration) []media.Packet {
	t.Helper()
	s, err := open(t, address)
	require.NoError(t, err)
	if from > 0 {
		require.NoError(t, s.Seek(from))
	}
	var all []media.Packet
	for _, p := range readAll(t, s) {
		if s.Info().Tracks[p.Track].Type == media.Audio {
			all = append(all, p)
		}
	}
	return all
}

// withEmptyPackets puts as many empty packets behind each Vorbis packet of an
// Ogg file as its page can list (RFC 3533, section 6).
func withEmptyPackets(file []byte) []byte {
	const header, most = 27, 255
	var out []byte
	vorbis := uint32(0)
	for len(file) > 0 {
		count := int(file[header-1])
		sizes := file[header : header+count]
		body := file[header+count:]
		length := 0
		for _, n := range sizes {
			length += int(n)
		}
		head, rest := append([]byte(nil), file[:header]...), body[:length]
		serial := binary.LittleEndian.Uint32(head[14:])
		if len(rest) > 7 && string(rest[1:7]) == "vorbis" && rest[0] == 1 {
			vorbis = serial
		}
		if serial == vorbis && binary.LittleEndian.Uint64(head[6:]) != 0 {
			sizes = spread(sizes, most)
			head[header-1] = byte(len(sizes))
		}
		page := append(append(head, sizes...), rest...)
		binary.LittleEndian.PutUint32(page[22:], 0)
		binary.LittleEndian.PutUint32(page[22:], oggSum(page))
		out, file = append(out, page...), body[length:]
	}
	return out
}

// spread adds empty packets behind each that ends in the page.
func spread(sizes []byte, most int) []byte {
	ends := 0
	for _, n := range sizes {
		if n < 255 {
			ends++
		}
	}
	var all []byte
	for _, n := range sizes {
		all = append(all, n)
		if n < 255 {
			all = append(all, make([]byte, (most-len(sizes))/ends)...)
		}
	}
	return all
}

// oggSum is a page's checksum.
func oggSum(page []byte) uint32 {
	var sum uint32
	for _, b := range page {
		sum ^= uint32(b) << 24
		for range 8 {
			carry := sum >> 31
			sum = sum<<1 ^ carry*0x04c11db7
		}
	}
	return sum
}
