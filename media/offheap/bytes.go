package offheap

import "runtime"

// Bytes is bytes that are added one after the other and forgotten all at once. They live
// until Reset, or until nobody has the Bytes any more. One goroutine at a time uses it.
type Bytes struct{ *run }

type run struct {
	chunks [][]byte
	size   int
}

// NewBytes returns an empty one.
func NewBytes() *Bytes {
	b := &Bytes{&run{}}
	runtime.AddCleanup(b, (*run).reset, b.run)
	return b
}

// Append copies data behind what there is, and returns where it begins.
func (b *Bytes) Append(data []byte) (at int) {
	defer runtime.KeepAlive(b)
	at = b.size
	for len(data) > 0 {
		from := b.size % chunkBytes
		if from == 0 {
			b.chunks = append(b.chunks, shared.take())
		}
		n := copy(b.chunks[len(b.chunks)-1][from:], data)
		b.size, data = b.size+n, data[n:]
	}
	return at
}

// Len returns how many there are.
func (b *Bytes) Len() int { return b.size }

// Copy returns a copy of n bytes from a place on, in Go's heap.
func (b *Bytes) Copy(at, n int) []byte {
	defer runtime.KeepAlive(b)
	data := make([]byte, 0, n)
	for len(data) < n {
		from := at + len(data)
		chunk := b.chunks[from/chunkBytes][from%chunkBytes:]
		data = append(data, chunk[:min(n-len(data), len(chunk))]...)
	}
	return data
}

// Reset forgets all.
func (b *Bytes) Reset() {
	b.reset()
	runtime.KeepAlive(b)
}

func (r *run) reset() {
	shared.giveBack(r.chunks...)
	clear(r.chunks)
	r.chunks, r.size = r.chunks[:0], 0
}
