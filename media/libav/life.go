package libav

import (
	"context"
	"errors"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

var errClosed = errors.New("source closed")

// life is the span in which libav may block for one source: from the call of
// Open to Close, or to the end of Open's context.
type life struct {
	// ctx is a field because the contract of media.Opener makes one context
	// bound all calls of a Source.
	ctx         context.Context
	cancel      context.CancelCauseFunc
	interrupter *astiav.IOInterrupter
	interrupted chan struct{} // closed once interrupter is told
	stall       *time.Timer   // of a seek under way, else nil
	patience    time.Duration // what stall was given
	dripped     int           // bytes that came since
}

func newLife(parent context.Context) *life {
	ctx, cancel := context.WithCancelCause(parent)
	l := &life{ctx: ctx, cancel: cancel, interrupter: astiav.NewIOInterrupter(), interrupted: make(chan struct{})}
	context.AfterFunc(ctx, func() { // its end is awaited by close
		defer close(l.interrupted)
		l.interrupter.Interrupt()
	})
	return l
}

// watch ends the life unless extend is called or bytes come again and again, each time
// within what the call before has given; the func that it returns ends the watch.
func (l *life) watch(d time.Duration) (stop func()) {
	l.stall = time.AfterFunc(d, func() { l.cancel(media.ErrStalled) })
	l.patience, l.dripped = d, 0
	return func() {
		l.stall.Stop()
		l.stall = nil
	}
}

// extend gives what is being watched so long from now on.
func (l *life) extend(d time.Duration) {
	if l.stall != nil {
		l.stall.Reset(d)
		l.patience, l.dripped = d, 0
	}
}

// came gives what is being watched as long again: a slow server may have to send a whole
// file that has no index.
func (l *life) came(bytes int) {
	if l.dripped += bytes; l.dripped >= media.ComingBytes {
		l.extend(l.patience)
	}
}

// interrupt makes every call of libav for this source return, at once and from
// now on.
func (l *life) interrupt() {
	l.cancel(errClosed)
	<-l.interrupted
}

// close frees the interrupter; no call of libav may follow.
func (l *life) close() {
	l.interrupt()
	l.interrupter.Free()
}

// ended returns why libav was interrupted, nil if it was not.
func (l *life) ended(op string) error { return media.Interrupted(l.ctx, op) }
