// Package offheap is memory outside of Go's heap, where each byte counts more than once: the
// collector lets the heap grow by a part of what is in use. It is for what is large, has no
// pointers, and is of one owner, who knows when it is used no more.
package offheap

import "golang.org/x/sys/unix"

// Memory is what was taken together and is freed together.
type Memory [][]byte

// leastMapped is how many bytes are kept outside, at least.
const leastMapped = 8 << 10

// Take returns so many bytes, all zero, which live until Free.
func (m *Memory) Take(bytes int) []byte {
	if bytes >= leastMapped {
		if b, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err == nil {
			*m = append(*m, b)
			return b
		}
	}
	return make([]byte, bytes)
}

// Free frees all. Nothing of it may be used any more.
func (m *Memory) Free() {
	for _, b := range *m {
		_ = unix.Munmap(b)
	}
	*m = nil
}
