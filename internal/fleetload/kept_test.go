package fleetload

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/redistest"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
)

// brief plays for a second or two; what has a room of its own for large is re-encoded
// for nearly all that a worker has.
type brief struct {
	played *atomic.Int64
	large  chan struct{} // gets one when the one of room large is in it
}

const large = "large"

func (p brief) Play(ctx context.Context, job media.Job) error {
	plan := media.Plan{Video: &media.TrackPlan{Action: media.Copy}}
	if job.Destination.RoomID == large {
		plan.Video = &media.TrackPlan{Action: media.Transcode, Output: media.Output{Width: 8 * int(tasks.LeastCost) / 30, Height: 1}}
	}
	job.Observer.Planned(media.SourceInfo{}, false, plan)
	if err := job.Fits(); err != nil {
		return err
	}
	job.Observer.Publishing()
	if job.Destination.RoomID == large {
		select {
		case p.large <- struct{}{}:
		default: // it was in it before
		}
	}
	select {
	case <-time.After(time.Second + rand.N(time.Second)):
		p.played.Add(1)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// The same with made-up time is in package tasks; here Redis and the queue are real.
func TestAReencodePlaysInAFleetToWhichCopiesComeForEver(t *testing.T) {
	redis := redistest.New(t, redistest.Config{})
	f := &fleet{b: t, machine: tasks.Machine{Capacity: tasks.Capacity{Cores: 1.2, Speed: 10 * tasks.LeastCost}}} // ten copies
	reencode := brief{&f.played, make(chan struct{}, 1)}
	f.player = reencode
	f.start(redis.URL(), 3, 50)
	defer f.close()
	bell, created := queue.New(f.client), 0
	begin := func(p tasks.NewPush) {
		push, _, err := f.store.Create(f.ctx, p)
		require.NoError(t, err)
		require.NoError(t, bell.Enqueue(f.ctx, tasks.TaskOf(push), false))
		created++
	}
	flood := func() { // more than fit, at any time
		for created < int(f.played.Load())+50 {
			begin(f.newPush(created))
		}
	}
	flood()
	p := f.newPush(created)
	p.Push.Spec.RoomID, p.Push.CreatedAt = large, time.Now().Add(-tasks.KeepAfter)
	begin(p)
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for limit, waits := time.After(time.Minute), true; waits; flood() {
		select {
		case <-reencode.large:
			waits = false
		case <-limit:
			require.Fail(t, "it waits for ever")
		case <-look.C:
		}
	}
	t.Logf("it was in its room after %.1fs, and %d copies", time.Since(p.Push.CreatedAt).Seconds()-tasks.KeepAfter.Seconds(), f.played.Load())
}
