package egress

import (
	"io"
	"sync"
)

const mediaBuffer = 32 << 10 // from the source

var mediaBuffers = sync.Pool{New: func() any { return new([mediaBuffer]byte) }}

// copyMedia copies src to dst through a pooled buffer. It leaves splice alone
// on purpose: a splice holds a pipe, two descriptors and up to a megabyte of
// kernel buffer, for as long as its connection lives, and sources come at a
// few megabits.
func copyMedia(dst io.Writer, src io.Reader) (int64, error) {
	buf := mediaBuffers.Get().(*[mediaBuffer]byte)
	defer mediaBuffers.Put(buf)
	return io.CopyBuffer(onlyWriter{dst}, onlyReader{src}, buf[:])
}

// These hide ReadFrom and WriteTo, with which io.CopyBuffer would ignore its
// buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)
