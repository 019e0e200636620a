package libav

// #include <malloc.h>
//
// static size_t heap_in_use(void) {
// #ifdef __GLIBC__
//     struct mallinfo2 m = mallinfo2();
//     return m.uordblks + m.hblkhd;
// #else
//     return 0;
// #endif
// }
import "C"

// HeapInUse is how many bytes the process's C code has allocated and not freed,
// over all arenas of its allocator; 0 where the C library does not tell.
func HeapInUse() int { return int(C.heap_in_use()) }
