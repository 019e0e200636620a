package program

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/clock"
	"github.com/roomcast/roomcast/media/input"
)

// How far re-encoding is ahead of the room: enough to hide a slow picture. A
// live source's viewers wait for it.
const (
	codeAhead     = time.Second
	codeAheadLive = 200 * time.Millisecond
)

// encodeAhead runs a program in a goroutine of its own, because making packets takes
// time that the sending has not got.
type encodeAhead struct {
	queue   *input.Queue
	cancel  context.CancelCauseFunc
	working sync.WaitGroup
}

// startEncodeAhead begins; ctx bounds the life of what the program opens.
func startEncodeAhead(ctx context.Context, m *Program, span time.Duration) *encodeAhead {
	working, cancel := context.WithCancelCause(ctx)
	a := &encodeAhead{queue: input.NewQueue(input.QueueLimits{Span: span, Bytes: input.QueueBytes}), cancel: cancel}
	a.working.Go(func() { a.queue.Fail(media.Caught(func() error { return a.work(ctx, working, m) })) })
	return a
}

func (a *encodeAhead) work(ctx, working context.Context, m *Program) error {
	for {
		p, err := m.makeNext(ctx, working)
		if err != nil {
			return err
		}
		if err := a.queue.Put(working, p, false); err != nil {
			return err
		}
	}
}

// get returns the next packet, or what ended the program: it is that which
// notices a stall.
func (a *encodeAhead) get(ctx context.Context) (media.Packet, error) {
	return a.queue.Get(ctx, clock.Forever)
}

var ErrNotNeeded = errors.New("not needed any more")

// stop ends the work; what was made and not taken is lost, and counted.
func (a *encodeAhead) stop() int64 {
	a.cancel(ErrNotNeeded)
	a.working.Wait()
	return int64(a.queue.Left())
}
