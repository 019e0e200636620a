package libav

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/roomcast/roomcast/media"
)

// For how long a call of libav's that was interrupted may go on before its source
// is given up. One that takes apart what it has read already asks nobody whether
// it may. Who stops a push is not kept waiting; else a busy machine is not to be
// taken for a bad source.
const (
	obeyTime = 2 * time.Second
	stopTime = 100 * time.Millisecond
	freeTime = 50 * time.Millisecond // whatever the call has had: to free a source takes a moment, too
)

var stuck atomic.Int64

// Stuck is how many sources were given up that libav still works for. Each has
// a thread, and what memory it has allocated.
func Stuck() int { return int(stuck.Load()) }

// errStuck is the end of a source that was given up.
var errStuck = &media.Error{Kind: media.KindSourceTooLarge, Op: "close source", Err: media.ErrStuck}

// obeying calls f, which lets libav work, in a goroutine and returns when it has
// returned, or with an error when libav does not obey its interruption; f goes
// on then, until which Close does not free what it uses.
func (s *Source) obeying(f func() error) error {
	done := make(chan error, 1)
	begun := make(chan struct{})
	go func() {
		s.busy.Lock()
		defer s.busy.Unlock()
		close(begun)
		done <- media.Caught(f)
	}()
	<-begun
	select {
	case err := <-done:
		return err
	case <-s.life.ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-s.life.givenUp():
		return errStuck
	}
}

// givenUp tells when a life that has ended is waited for no longer.
func (l *life) givenUp() <-chan time.Time {
	<-l.interrupted
	limit := obeyTime
	if errors.Is(context.Cause(l.ctx), media.ErrStopped) {
		limit = stopTime
	}
	return time.After(max(limit-time.Since(l.over), freeTime))
}

// awaitObedience waits for freed and counts a source that is not freed in time.
func (l *life) awaitObedience(freed <-chan struct{}) error {
	select {
	case <-freed:
		return nil
	case <-l.givenUp():
	}
	go func() {
		select {
		case <-freed: // it was the machine that was slow
			return
		case <-time.After(obeyTime):
		}
		stuck.Add(1)
		<-freed
		stuck.Add(-1)
	}()
	return errStuck
}
