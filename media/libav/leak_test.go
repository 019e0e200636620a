package libav

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// resident returns the process's memory in bytes.
func resident(t *testing.T) int {
	t.Helper()
	runtime.GC()
	raw, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(string(bytes.Fields(raw)[1]))
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

func TestAHundredOpensLeaveNothing(t *testing.T) {
	noLeak(t)
	server := serve(t)
	clip(t, "plain.mp4")
	clip(t, "plain.ts")
	gone := answer(t, 404, nil)
	round := func() {
		for _, address := range []string{server + "/plain.mp4", server + "/plain.ts"} {
			// Not by open, which keeps sources until the test's end.
			s, err := NewOpener(Config{}).Demux(t.Context(), media.SourceRequest{URL: media.Secret(address)}, &passGate{})
			require.NoError(t, err)
			require.NoError(t, s.Seek(5*time.Second))
			_, err = s.ReadPacket()
			require.NoError(t, err)
			s.Close()
		}
		_, err := open(t, gone)
		require.Error(t, err)
	}
	for range 20 {
		round()
	}
	fds, memory := descriptors(t), resident(t)
	for range 100 {
		round()
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { assert.LessOrEqual(c, descriptors(t), fds+5) }, 10*time.Second, 50*time.Millisecond)
	grown := resident(t) - memory
	t.Logf("memory grew by %d KiB over 300 opens", grown>>10)
	require.Less(t, grown, 24<<20)
}

func TestTablesOfNothingOfAnOpenSourceTakeNoMemory(t *testing.T) {
	data, err := os.ReadFile(clip(t, "plain.mp4")) // its index is small
	require.NoError(t, err)
	opened := func(n int) {
		for range n {
			s, err := NewOpener(Config{}).Demux(t.Context(), media.SourceRequest{URL: "http://source/plain.mp4"}, &inMemory{Reader: bytes.NewReader(data)})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			_, err = s.ReadPacket()
			require.NoError(t, err)
		}
		debug.FreeOSMemory()
		Trim()
	}
	const sources = 60
	opened(sources) // from here on the heaps are as large as they get beside sources
	memory := resident(t)
	opened(sources)
	each := (resident(t) - memory) / sources
	t.Logf("an open source takes %d KiB", each>>10)
	require.Less(t, each, 192<<10)
}
