package egress

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const (
	mediaBuffer   = 32 << 10 // from the source
	commandBuffer = 4 << 10  // to the source: requests, acknowledgements
	lingerTime    = 2 * time.Second
)

var (
	mediaBuffers   = sync.Pool{New: func() any { return new([mediaBuffer]byte) }}
	commandBuffers = sync.Pool{New: func() any { return new([commandBuffer]byte) }}
)

// copyMedia copies src to dst through a pooled buffer. It leaves splice alone
// on purpose: a splice holds a pipe, two descriptors and up to a megabyte of
// kernel buffer, for as long as its connection lives, and sources come at a
// few megabits.
func copyMedia(dst io.Writer, src io.Reader) (int64, error) {
	buf := mediaBuffers.Get().(*[mediaBuffer]byte)
	defer mediaBuffers.Put(buf)
	return io.CopyBuffer(onlyWriter{dst}, onlyReader{src}, buf[:])
}

func copyCommands(dst io.Writer, src io.Reader) {
	buf := commandBuffers.Get().(*[commandBuffer]byte)
	defer commandBuffers.Put(buf)
	_, _ = io.CopyBuffer(onlyWriter{dst}, onlyReader{src}, buf[:])
}

// These hide ReadFrom and WriteTo, with which io.CopyBuffer would ignore its
// buffer.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// join copies both ways until either side or ctx ends, and closes both. A
// client that has left takes the source's connection with it at once; a source
// that has ended leaves the client time to read what was sent. from is how
// source is read.
func (w *way) join(ctx context.Context, client, source net.Conn, from io.Reader) {
	defer context.AfterFunc(ctx, func() {
		_ = client.Close()
		_ = source.Close()
	})()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.guard(func() { copyCommands(source, client) })
		_ = source.Close()
	}()
	w.guard(func() { _, _ = copyMedia(client, from) })
	if half, ok := client.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = client.SetReadDeadline(time.Now().Add(lingerTime))
	<-done
	_ = client.Close()
	_ = source.Close()
}
