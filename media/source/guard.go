package source

import (
	"errors"

	"github.com/roomcast/roomcast/media"
)

// guarded runs f, which reads what strangers send: a panic in it, of a library's,
// ends no process. Its text may hold the source's bytes and is told to nobody.
func guarded(f func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = &media.Error{Kind: media.KindInternal, Op: opRead, Err: errPanic}
		}
	}()
	return f()
}

var errPanic = errors.New("what the source sent could not be coped with")
