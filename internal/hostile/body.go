package hostile

import (
	"bytes"
	"io"
)

// piece is a run of bytes that are made when they are read.
type piece struct {
	size int64
	fill func(p []byte, at int64) // p lies within the piece, at counts from its begin
}

// Body is what a file holds. The large parts of it are never held in memory.
type Body []piece

// held returns bytes as they are.
func held(parts ...[]byte) piece {
	b := bytes.Join(parts, nil)
	return piece{int64(len(b)), func(p []byte, at int64) { copy(p, b[at:]) }}
}

// repeated returns pattern over and over, size bytes of it.
func repeated(pattern []byte, size int64) piece {
	return piece{size, func(p []byte, at int64) {
		for len(p) > 0 {
			n := copy(p, pattern[at%int64(len(pattern)):])
			p, at = p[n:], at+int64(n)
		}
	}}
}

// Size is how many bytes it is long.
func (b Body) Size() int64 {
	var size int64
	for _, p := range b {
		size += p.size
	}
	return size
}

// ReadAt reads as io.ReaderAt says.
func (b Body) ReadAt(p []byte, at int64) (n int, err error) {
	for _, part := range b {
		if at >= part.size {
			at -= part.size
			continue
		}
		m := min(int64(len(p)-n), part.size-at)
		part.fill(p[n:n+int(m)], at)
		n, at = n+int(m), 0
		if n == len(p) {
			return n, nil
		}
	}
	return n, io.EOF
}

// Reader returns a reader of it all, for http.ServeContent.
func (b Body) Reader() *io.SectionReader { return io.NewSectionReader(b, 0, b.Size()) }

// Bytes returns it all.
func (b Body) Bytes() []byte {
	all := make([]byte, b.Size())
	_, _ = b.ReadAt(all, 0) // to its end
	return all
}
