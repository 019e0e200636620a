package libav

// #include <errno.h>
// #include "demux.h"
import "C"

import (
	"errors"
	"io"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	// readSize is how much libav asks for at once.
	readSize = 32 << 10
	// whenceSize is AVSEEK_SIZE: how long is it? whenceForce, AVSEEK_FORCE, may be
	// added to any.
	whenceSize  = 0x10000
	whenceForce = 0x20000
)

// readBytes gives libav the source's bytes in place of an address.
func (s *Source) readBytes(b media.Bytes) error {
	read := func(to []byte) (int, error) {
		n, err := b.Read(to)
		switch {
		case n > 0:
			s.life.came(n)
			return n, nil
		case s.life.ctx.Err() != nil:
			return 0, astiav.ErrExit
		case errors.Is(err, io.EOF) && media.KindOf(err) == media.KindInternal:
			return 0, io.EOF
		}
		return 0, astiav.ErrEio
	}
	var seek astiav.IOContextSeekFunc
	if b.Seekable() {
		seek = func(offset int64, whence int) (int64, error) {
			if whence &^= whenceForce; whence == whenceSize {
				if b.Size() < 0 {
					return 0, astiav.Error(-C.ENOSYS)
				}
				return b.Size(), nil
			}
			at, err := b.Seek(offset, whence)
			if err != nil {
				return 0, astiav.Error(-C.EINVAL)
			}
			return at, nil
		}
	}
	var err error
	if s.bytes, err = astiav.AllocIOContext(readSize, false, read, seek, nil); err != nil {
		return &media.Error{Kind: media.KindInternal, Op: opOpen, Err: errNoMemory}
	}
	s.format.SetPb(s.bytes)
	return nil
}

// atEnd says whether all of the source has been read.
func (s *Source) atEnd() bool {
	if b := s.way.Bytes; b.Size() > 0 {
		at, err := b.Seek(0, io.SeekCurrent)
		return err == nil && at >= b.Size()
	}
	return C.rc_at_end(cFormat(s.format)) != 0
}
