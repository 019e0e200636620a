package libav

// #include <malloc.h>
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
// static void bound_arenas(int most) {
// #ifdef __GLIBC__
//     mallopt(M_ARENA_MAX, most);
// #endif
// }
import "C"

import "runtime"

// boundArenas allows C's allocator no more arenas than threads can use at once,
// 8 for each CPU by default: Go moves a push from thread to thread, and each
// arena keeps what was once used of it.
func boundArenas() { C.bound_arenas(C.int(max(2, runtime.NumCPU()))) }

// Heap is how many bytes the process's C code has allocated and not freed, and
// how many its allocator keeps besides, of which some are not resident. Both
// are 0 where the C library does not tell.
func Heap() (used, kept int) {
	var u, k C.size_t
	C.heap(&u, &k)
	return int(u), int(k)
}
