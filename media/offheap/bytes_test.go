package offheap

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBytesAreWhatWasAppended(t *testing.T) {
	b := NewBytes()
	for range 2 { // the second time in chunks that were used before
		var want []byte
		for n := range 3 * slabBytes / chunkBytes {
			data := bytes.Repeat([]byte{byte(n)}, n*331)
			require.Equal(t, len(want), b.Append(data))
			want = append(want, data...)
		}
		require.Equal(t, want, b.Copy(0, len(want)))
		require.Equal(t, want[chunkBytes-1:chunkBytes+1], b.Copy(chunkBytes-1, 2))
		require.Empty(t, b.Copy(len(want), 0))
		b.Reset()
	}
}

// What is left of what nobody has any more can be used again.
func TestForgottenBytesGiveTheirMemoryBack(t *testing.T) {
	const chunks = 2000
	free := func() int {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		return len(shared.warm) + len(shared.cold)
	}
	NewBytes().Append(make([]byte, chunks*chunkBytes))
	require.Eventually(t, func() bool {
		runtime.GC()
		return free() >= chunks
	}, 10*time.Second, time.Millisecond)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	require.LessOrEqual(t, len(shared.warm), mostWarm(shared.used+chunks))
}
