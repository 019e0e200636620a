package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/store"
)

// quick publishes about a second of a file at once.
type quick struct{}

func (quick) Play(ctx context.Context, job media.Job) error {
	job.Observer.Planned(media.SourceInfo{Container: "mov", Duration: time.Second}, false, media.Plan{})
	job.Observer.Publishing()
	end := time.NewTimer(500*time.Millisecond + rand.N(time.Second))
	defer end.Stop()
	select {
	case <-end.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type noSeal struct{}

func (noSeal) Seal(string, tasks.Secrets) (string, error) { return "sealed", nil }
func (noSeal) Open(string, string) (tasks.Secrets, error) { return tasks.Secrets{}, nil }
func (noSeal) Keys() []string                             { return nil }
func (noSeal) Digests([]byte) []string                    { return []string{"digest"} }

type noBell struct{}

func (noBell) Enqueue(context.Context, tasks.Task, bool) error { return nil }

// crew runs two workers of three slots on s until the test ends.
func crew(t *testing.T, s *store.Store, resume *store.Resume) []*tasks.Worker {
	t.Helper()
	c, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	workers := make([]*tasks.Worker, 2)
	for i := range workers {
		w := tasks.NewWorker(tasks.WorkerConfig{
			Name: fmt.Sprintf("w%d", i), Slots: 3, Lease: 3 * time.Second, RenewCap: time.Minute, Store: s, Leases: s, Places: s,
			Queue: noBell{}, Resume: resume, Sealer: noSeal{}, Player: quick{}, Log: slog.New(slog.DiscardHandler),
		})
		workers[i] = w
		running.Go(func() { w.Run(c) })
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	return workers
}

// offer rings for p at one worker after the other until one has run it.
func offer(c context.Context, workers []*tasks.Worker, p tasks.Push) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		err := workers[i%len(workers)].Handle(c, tasks.TaskOf(p))
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.Done():
			return errors.Join(c.Err(), err)
		}
	}
}

// Twelve feeders keep the six slots taken: a worker is hardly ever empty by
// itself.
func TestPushThatMustRunAloneStartsInABusyFleet(t *testing.T) {
	s, rdb := fresh(t, store.Config{Lease: 3 * time.Second})
	resume, err := store.NewResume(rdb, store.ResumeConfig{})
	require.NoError(t, err)
	defer resume.Close()
	lonely := create(t, s, "lonely")
	for range tasks.LonelyStrikes {
		claim(t, s, get(t, s, lonely.ID), "w")
		vanish(t, s, rdb, lonely)
	}
	lonely = get(t, s, lonely.ID)
	workers := crew(t, s, resume)
	c, cancel := contextWithCancel(t)
	var feeding sync.WaitGroup
	defer feeding.Wait()
	defer cancel()
	busy := make(chan struct{}, 4)
	for i := range 12 {
		feeding.Go(func() {
			for n := 0; c.Err() == nil; n++ {
				p, _, err := s.Create(c, newPush(t, fmt.Sprintf("u%d.%d", i, n)))
				if err != nil || offer(c, workers, p) != nil {
					return
				}
				select {
				case busy <- struct{}{}:
				default:
				}
			}
		})
	}
	for range cap(busy) {
		<-busy
	}
	begin := time.Now()
	require.NoError(t, offer(ctx(t), workers, lonely))
	require.Equal(t, tasks.Completed, get(t, s, lonely.ID).State)
	t.Logf("run after %v", time.Since(begin).Round(time.Millisecond))
	for range 2 * cap(busy) { // the fleet goes on, both workers
		<-busy
	}
	require.Eventually(t, func() bool { return rdb.Exists(ctx(t), reserved).Val() == 0 }, patience, 10*time.Millisecond)
}
