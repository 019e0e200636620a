package offheap

import (
	"sync"

	"golang.org/x/sys/unix"
)

const (
	chunkBytes = 16 << 10
	// slabBytes is what is asked of the kernel at once.
	slabBytes = 1 << 20
)

// mostWarm is how many free ones keep their memory where so many are in use: as many as
// groups of pictures take by turns.
func mostWarm(used int) int { return 16 + used/8 }

// shared is the chunks of all Bytes that are free.
var shared = pool{chunk: chunkBytes}

// pool is chunks of one size, those that are free. What is cold has no memory until it is
// written to.
type pool struct {
	chunk      int
	mu         sync.Mutex
	used       int // how many are not free
	warm, cold [][]byte
}

func (p *pool) take() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	if len(p.warm)+len(p.cold) == 0 {
		slab, err := unix.Mmap(-1, 0, slabBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return make([]byte, p.chunk)
		}
		_ = unix.Madvise(slab, unix.MADV_NOHUGEPAGE) // or the kernel fills in what is cold, in nights
		for ; len(slab) > 0; slab = slab[p.chunk:] {
			p.cold = append(p.cold, slab[:p.chunk:p.chunk])
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

func (p *pool) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

func (p *pool) giveBack(chunks ...[]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= len(chunks)
	for _, chunk := range chunks {
		if len(p.warm) < mostWarm(p.used) {
			p.warm = append(p.warm, chunk)
			continue
		}
		_ = unix.Madvise(chunk, unix.MADV_DONTNEED)
		p.cold = append(p.cold, chunk)
	}
}
