package libav

// #include <errno.h>
// #include <stdint.h>
// #include "bytes.h"
// #include "demux.h"
import "C"

import (
	"errors"
	"io"
	"runtime/cgo"
	"unsafe"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	// whenceSize is AVSEEK_SIZE: how long is it? whenceForce, AVSEEK_FORCE, may be
	// added to any.
	whenceSize  = 0x10000
	whenceForce = 0x20000
)

// input is what libav reads a source from, in place of an address.
type input struct {
	media.Bytes
	life   *life
	counts counters
	handle cgo.Handle
	c      *C.AVIOContext
}

// newInput returns what libav reads b through, nil without memory. Its owner frees it.
func newInput(b media.Bytes, l *life) *input {
	in := &input{Bytes: b, life: l}
	in.handle = cgo.NewHandle(in)
	seekable := C.int(0)
	if b.Seekable() {
		seekable = 1
	}
	if in.c = C.rc_bytes_new(C.uintptr_t(in.handle), seekable); in.c == nil {
		in.handle.Delete()
		return nil
	}
	return in
}

func (in *input) free() {
	C.rc_bytes_free(in.c)
	in.handle.Delete()
}

// next reads what comes next of the source.
func (in *input) next(b []byte) (int, error) {
	n, err := in.Read(b)
	in.counts.pass(b[:max(n, 0)])
	in.life.came(max(n, 0))
	return n, err
}

// roomcastRead is called by libav for the source's next bytes.
//
//export roomcastRead
func roomcastRead(handle C.uintptr_t, to *C.uint8_t, size C.int) C.int {
	in, _ := cgo.Handle(handle).Value().(*input)
	b := unsafe.Slice((*byte)(to), int(size))
	n, err := in.next(b)
	switch {
	case n > 0:
		return C.int(n)
	case in.life.ctx.Err() != nil:
		return C.int(astiav.ErrExit)
	case errors.Is(err, io.EOF) && media.KindOf(err) == media.KindInternal:
		return C.int(astiav.ErrEof)
	}
	return C.int(astiav.ErrEio)
}

// roomcastSeek is called by libav to go elsewhere in the source, or for its size.
//
//export roomcastSeek
func roomcastSeek(handle C.uintptr_t, offset C.int64_t, whence C.int) C.int64_t {
	in, _ := cgo.Handle(handle).Value().(*input)
	if whence &^= whenceForce; whence == whenceSize {
		if in.Size() < 0 {
			return -C.ENOSYS
		}
		return C.int64_t(in.Size())
	}
	at, err := in.Seek(int64(offset), int(whence))
	if err != nil {
		return -C.EINVAL
	}
	in.counts.goTo(at)
	return C.int64_t(at)
}
