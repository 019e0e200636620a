package libav

// #define _GNU_SOURCE
// #include <malloc.h>
// #include <pthread.h>
//
// static void heap(size_t *used, size_t *kept) {
//     *used = *kept = 0;
// #ifdef __GLIBC__
//     struct mallinfo2 m = mallinfo2();
//     *used = m.uordblks + m.hblkhd;
//     *kept = m.fordblks;
// #endif
// }
//
// static void bound_stacks(size_t size) {
// #ifdef __GLIBC__
//     pthread_attr_t attr;
//     if (pthread_getattr_default_np(&attr)) return;
//     if (!pthread_attr_setstacksize(&attr, size)) pthread_setattr_default_np(&attr);
//     pthread_attr_destroy(&attr);
// #endif
// }
//
// static void trim_heap(void) {
// #ifdef __GLIBC__
//     malloc_trim(0);
// #endif
// }
import "C"

import (
	"sync/atomic"
	"time"
)

// stackSize is what each thread may put on its stack, of Go's threads too: 8 MB is the
// system's default, and a source that is being read has a thread. A limit of memory
// (RLIMIT_DATA) counts all of it. FFmpeg and x264 do with 1 MB elsewhere.
const stackSize = 2 << 20

func boundStacks() { C.bound_stacks(stackSize) }

// trimEvery is how often the pages that C's allocator keeps go back to the system
// at most: between the pictures of many pushes it keeps more and more of them.
const trimEvery = time.Minute

var trimmed atomic.Int64 // when they did, in Unix nanoseconds

// trimHeap gives them back if that is due.
func trimHeap() {
	now, last := time.Now().UnixNano(), trimmed.Load()
	if now-last >= int64(trimEvery) && trimmed.CompareAndSwap(last, now) {
		C.trim_heap()
	}
}

// Trim gives them back now.
func Trim() {
	trimmed.Store(time.Now().UnixNano())
	C.trim_heap()
}

// Heap is how many bytes the process's C code has allocated and not freed, and
// how many its allocator keeps besides, of which some are not resident. Both
// are 0 where the C library does not tell.
func Heap() (used, kept int) {
	var u, k C.size_t
	C.heap(&u, &k)
	return int(u), int(k)
}
