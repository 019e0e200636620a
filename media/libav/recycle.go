package libav

import "sync"

// recycled are the bytes of packets that nobody needs any more.
var recycled sync.Pool

// emptied returns an empty slice for size bytes: of a packet, which lives for a moment
// where it is only handed on.
func emptied(size int) []byte {
	if b, ok := recycled.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// Recycle takes the data of a packet that was read from a Source, and is used by
// nobody else.
func Recycle(data []byte) {
	if cap(data) > 0 {
		recycled.Put(&data)
	}
}
