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
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.busy.Lock()
		defer s.busy.Unlock()
		if s.freed {
			err = s.life.ended("use source")
			return
		}
		err = media.Caught(f)
	}()
	select {
	case <-done:
		return err
	case <-s.life.ctx.Done():
	}
	if !s.life.obeys(done) {
		return errStuck
	}
	return err
}

// obeys waits for what closes done after the life's end, and says whether it came
// in time.
func (l *life) obeys(done <-chan struct{}) bool {
	<-l.interrupted
	limit := time.NewTimer(max(obeyTime-time.Since(l.over), freeTime))
	defer limit.Stop()
	for stopped := l.parent.Done(); ; {
		select {
		case <-done:
			return true
		case <-limit.C:
			select { // after a pause of the machine both are there
			case <-done:
				return true
			default:
				return false
			}
		case <-stopped:
			stopped = nil
			if cause := context.Cause(l.parent); errors.Is(cause, media.ErrStopped) || errors.Is(cause, media.ErrTooLarge) {
				had := time.Duration(0)
				if errors.Is(context.Cause(l.ctx), cause) {
					had = time.Since(l.over)
				}
				limit.Reset(max(stopTime-had, freeTime))
			}
		}
	}
}

// awaitObedience waits for freed and counts a source that is not freed in time.
func (l *life) awaitObedience(freed <-chan struct{}) error {
	if l.obeys(freed) {
		return nil
	}
	go countStuck(freed)
	return errStuck
}

// countStuck counts what was given up for as long as it goes on.
func countStuck(ended <-chan struct{}) {
	select {
	case <-ended: // it was the machine that was slow
		return
	case <-time.After(obeyTime):
	}
	stuck.Add(1)
	<-ended
	stuck.Add(-1)
}
