package mp4

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media/mediatest"
	"github.com/roomcast/roomcast/media/offheap"
)

// Whatever a file says, its tables are refused or tell of bytes that it has, in a time and
// with a memory that follow from its length.
func FuzzRead(f *testing.F) {
	for _, spec := range []mediatest.Spec{{Seconds: 1}, {Seconds: 1, Container: "mov", BFrames: 2}} {
		clip, err := os.ReadFile(mediatest.Clip(f, spec))
		require.NoError(f, err)
		f.Add(clip[:min(len(clip), 8<<10)])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var memory offheap.Memory
		defer memory.Free()
		tracks, err := Read(bytes.NewReader(file), int64(len(file))+1<<20, &memory) // the samples lie behind what was read
		if err != nil {
			return
		}
		for _, track := range tracks {
			c, last := track.Begin(), int64(0)
			for {
				s, ok := c.Next()
				if !ok {
					break
				}
				require.Positive(t, s.Size)
				require.LessOrEqual(t, s.Offset+int64(s.Size), int64(len(file))+1<<20)
				require.GreaterOrEqual(t, s.DTS, last)
				of, found := Find(tracks, s.Offset)
				require.NotNil(t, of)
				same, _ := found.Next()
				require.Equal(t, s.Offset, same.Offset)
				last = s.DTS
			}
		}
	})
}
