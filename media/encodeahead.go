package media

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How far re-encoding is ahead of the room: enough to hide a slow picture. A
// live source's viewers wait for it.
const (
	codeAhead     = time.Second
	codeAheadLive = 200 * time.Millisecond
)

// ahead runs a mixer in a goroutine of its own, because making packets takes
// time that the sending has not got.
type ahead struct {
	queue   *packetQueue
	cancel  context.CancelCauseFunc
	working sync.WaitGroup
}

func startAhead(ctx context.Context, m *mixer, span time.Duration) *ahead {
	ctx, cancel := context.WithCancelCause(ctx)
	a := &ahead{queue: newPacketQueue(queueLimits{span: span, bytes: queueBytes}), cancel: cancel}
	a.working.Go(func() { a.queue.fail(Caught(func() error { return a.work(ctx, m) })) })
	return a
}

func (a *ahead) work(ctx context.Context, m *mixer) error {
	for {
		p, err := m.makeNext(ctx, ctx)
		if err != nil {
			return err
		}
		if err := a.queue.put(ctx, p, false); err != nil {
			return err
		}
	}
}

// get returns the next packet, or what ended the mixer: it is that which
// notices a stall.
func (a *ahead) get(ctx context.Context) (Packet, error) { return a.queue.get(ctx, forever) }

var errNotNeeded = errors.New("not needed any more")

// stop ends the work; what was made and not taken is lost, and counted.
func (a *ahead) stop() int64 {
	a.cancel(errNotNeeded)
	a.working.Wait()
	return a.queue.left()
}
