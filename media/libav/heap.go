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
import "C"

// Heap is how many bytes the process's C code has allocated and not freed, and
// how many its allocator keeps besides, of which some are not resident. Both
// are 0 where the C library does not tell.
func Heap() (used, kept int) {
	var u, k C.size_t
	C.heap(&u, &k)
	return int(u), int(k)
}
