package libav

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

const (
	defaultProbeTimeout = 15 * time.Second
	defaultSilence      = 30 * time.Second
)

// comingBytes is what has to come of a source that is being opened for it not to
// be silent: less is a drip.
const comingBytes = 16 << 10

// openingBytes may come of a source before it is known what it is: the index of a day
// is 100 MB. What some demuxers find no head and no tail of they read for ever.
const openingBytes = 256 << 20

var (
	errEndless = media.Because("it does not say what it is in its first 256 MB", nil)
	errProbe   = media.Because("it did not say in time what it is", nil)
	errClosed  = errors.New("source closed")
)

// life is the span in which libav may block for one source: from the call of
// Open to Close, the end of Open's context, or the probe's time limit.
type life struct {
	// ctx is a field because the contract of media.Opener makes one context
	// bound all calls of a Source.
	ctx         context.Context
	parent      context.Context // of the push: it may be stopped after ctx has ended
	cancel      context.CancelCauseFunc
	probe       *time.Timer
	probeTime   time.Duration
	drip        atomic.Int64 // what came since the probe was given time
	all         atomic.Int64 // what came
	interrupter *astiav.IOInterrupter
	interrupted chan struct{} // closed once interrupter is told
	over        time.Time     // when that was
}

func newLife(parent context.Context, probeTimeout time.Duration) *life {
	if probeTimeout <= 0 {
		probeTimeout = defaultProbeTimeout
	}
	ctx, cancel := context.WithCancelCause(parent)
	l := &life{ctx: ctx, parent: parent, cancel: cancel, probeTime: probeTimeout, interrupted: make(chan struct{})}
	l.interrupter = astiav.NewIOInterrupter()
	context.AfterFunc(ctx, func() { // its end is awaited by close
		defer close(l.interrupted)
		l.over = time.Now()
		l.interrupter.Interrupt()
	})
	l.probe = time.AfterFunc(probeTimeout, func() { cancel(errProbe) })
	return l
}

// probeAgain bounds another probe.
func (l *life) probeAgain() { l.probe.Reset(l.probeTime) }

// came says that so many bytes of the source have come: it is not its whole
// opening that is bounded, but how long nothing comes.
func (l *life) came(n int) {
	if l.all.Add(int64(n)) > openingBytes && l.probe.Stop() { // which runs while it is being opened
		l.cancel(errEndless)
		return
	}
	if l.drip.Add(int64(n)) >= comingBytes && l.probe.Stop() {
		l.drip.Store(0)
		l.probeAgain()
	}
}

// probed says that the source is open; it returns false when its time ran out
// just now.
func (l *life) probed() bool {
	if l.probe.Stop() {
		return true
	}
	<-l.ctx.Done() // the timer's func is running
	return false
}

// interrupt makes every call of libav for this source return, at once and from
// now on.
func (l *life) interrupt() {
	l.cancel(errClosed)
	<-l.interrupted
}

// close frees the interrupter; no call of libav may follow.
func (l *life) close() {
	l.probe.Stop()
	l.interrupt()
	l.interrupter.Free()
}

// ended returns why libav was interrupted, nil if it was not.
func (l *life) ended(op string) error {
	if l.ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(l.ctx)
	switch {
	case errors.Is(cause, errProbe):
		return &media.Error{Kind: media.KindSourceUnavailable, Op: op, Err: errProbe}
	case errors.Is(cause, errEndless):
		return &media.Error{Kind: media.KindSourceInvalid, Op: op, Err: errEndless}
	case errors.Is(cause, media.ErrStalled):
		return &media.Error{Kind: media.KindSourceStalled, Op: op, Err: cause}
	}
	return fmt.Errorf("%s: %w", op, cause)
}

func (l *life) gateError(err error) error {
	const op = "open the way to the source"
	if ended := l.ended(op); ended != nil {
		return ended
	}
	if _, ok := errors.AsType[*media.Error](err); ok {
		return err
	}
	return &media.Error{Kind: media.KindInternal, Op: op, Err: err}
}
