package matrix

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/roomcast/roomcast/media/libav"
	"github.com/stretchr/testify/require"
)

// held is what this process holds.
type held struct {
	// Bytes: of the process, of its C code, of what C's allocator keeps besides,
	// of Go's live objects, of all that Go has from the system.
	resident, c, kept, heap, system int
	files, goroutines               int
}

func (h held) String() string {
	return fmt.Sprintf("%.1f MiB resident, %.2f MiB in C (%.1f kept), %.2f MiB in Go (of %.1f), %d descriptors, %d goroutines",
		mib(h.resident), mib(h.c), mib(h.kept), mib(h.heap), mib(h.system), h.files, h.goroutines)
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// hold gives back what can be given back and measures the rest.
func hold(t testing.TB) held {
	t.Helper()
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(string(bytes.Fields(raw)[1]))
	require.NoError(t, err)
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	used, kept := libav.Heap()
	return held{
		resident: pages * os.Getpagesize(), c: used, kept: kept, heap: int(m.HeapAlloc), system: int(m.Sys - m.HeapReleased),
		files: len(files), goroutines: runtime.NumGoroutine(),
	}
}

// settled is hold, once connections and goroutines that are on their way out
// have gone: when no more than at most are left, or after a while.
func settled(t testing.TB, most held) held {
	t.Helper()
	const patience = 10 * time.Second
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); ; <-tick.C {
		h := hold(t)
		if h.files <= most.files && h.goroutines <= most.goroutines || time.Now().After(limit) {
			return h
		}
	}
}

// growth is by how much one may hold more than another.
type growth struct{ resident, c, heap int }

// requireFlat fails unless after holds no more than before, but for g and a
// connection or two of a pool.
func requireFlat(t testing.TB, before, after held, g growth) {
	t.Helper()
	const pooled = 4
	require.LessOrEqual(t, after.files, before.files+pooled, "descriptors: %v, then %v", before, after)
	require.LessOrEqual(t, after.goroutines, before.goroutines+pooled, "goroutines: %v, then %v", before, after)
	require.LessOrEqual(t, after.c, before.c+g.c, "C: %v, then %v", before, after)
	require.LessOrEqual(t, after.heap, before.heap+g.heap, "Go: %v, then %v", before, after)
	require.LessOrEqual(t, after.resident, before.resident+g.resident, "resident: %v, then %v", before, after)
}
