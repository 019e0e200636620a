package offheap

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

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
	shared.giveBack(r.chunks)
	clear(r.chunks)
	r.chunks, r.size = r.chunks[:0], 0
}

const (
	chunkBytes = 16 << 10
	slabChunks = 64
	// mostWarm is how many chunks keep their memory while nobody uses them: 16 MB.
	mostWarm = 1024
)

// shared is the chunks of all Bytes that are free.
var shared pool

// pool is free chunks. What is cold has no memory until it is written to.
type pool struct {
	mu         sync.Mutex
	warm, cold [][]byte
}

func (p *pool) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.warm)+len(p.cold) == 0 {
		slab, err := unix.Mmap(-1, 0, slabChunks*chunkBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return make([]byte, chunkBytes)
		}
		_ = unix.Madvise(slab, unix.MADV_NOHUGEPAGE) // or the kernel fills in what is cold, in nights
		for ; len(slab) > 0; slab = slab[chunkBytes:] {
			p.cold = append(p.cold, slab[:chunkBytes:chunkBytes])
		}
	}
	from := &p.warm
	if len(p.warm) == 0 {
		from = &p.cold
	}
	last := len(*from) - 1
	chunk := (*from)[last]
	*from = (*from)[:last]
	return chunk
}

func (p *pool) giveBack(chunks [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, chunk := range chunks {
		if len(p.warm) < mostWarm {
			p.warm = append(p.warm, chunk)
			continue
		}
		_ = unix.Madvise(chunk, unix.MADV_DONTNEED)
		p.cold = append(p.cold, chunk)
	}
}
