package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/roomcast/roomcast/cmd/internal/boot"
	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/push"
	"github.com/roomcast/roomcast/media/rtmp"
	"github.com/roomcast/roomcast/media/source"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/metrics"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/tasks/store"
)

// closingTime bounds the end of the media hosts.
const closingTime = 2 * time.Second

// run works until ctx ends, and then gives its pushes back.
func run(ctx context.Context, environ []string, stderr io.Writer) error {
	cfg, log, err := boot.Settings(config.LoadWorker, environ, stderr)
	if err != nil {
		return err
	}
	b, err := boot.New(ctx, "worker", cfg, log)
	if err != nil {
		return err
	}
	orderly := true
	defer func() {
		if orderly { // or asynq, which still works with Redis, panics
			b.Close()
		}
	}()
	hosts, err := newPool(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer within(context.WithoutCancel(ctx), closingTime, hosts.Close)
	orderly, err = work(ctx, cfg, parts{Parts: b, hosts: hosts, memory: boundMemory(cfg, environ, hosts, log)})
	return err
}

// parts is what a worker is made of.
type parts struct {
	*boot.Parts
	hosts  *host.Pool
	memory tasks.Memory
}

// player puts the media together.
func (p parts) player(cfg config.Config) tasks.Player {
	return &push.Pusher{
		Opener: &source.Opener{
			Network: p.Sources, Demuxer: p.hosts,
			Silence: cfg.SourceSilence, Log: p.Log,
		},
		Dialer: &rtmp.Dialer{Log: p.Log},
		Door:   p.Door,

		Transcoders: p.hosts.Transcoders(),
	}
}

// worker returns what runs pushes.
func (p parts) worker(cfg config.Config, c tasks.Capacity, counts *metrics.Worker) *tasks.Worker {
	w := tasks.WorkerConfig{
		Name: name(), Version: process.Version(), Slots: cfg.WorkerSlots, Lease: cfg.Lease, RenewCap: cfg.RenewCap,
		Stores: tasks.Stores{
			Store: p.Records, Leases: p.Records, Handovers: p.Records, Resume: p.Resume, Previews: p.Records,
		},
		Queue: p.Queue, Sealer: p.Sealer, Player: p.player(cfg), Log: p.Log, Metrics: counts,
		Sandbox: p.hosts.Sandbox().String(), Machine: tasks.Machine{Memory: p.memory, CPU: cpuTime(p.hosts), Capacity: c},
	}
	if cfg.Preview {
		w.Pictures = p.hosts
	}
	return tasks.NewWorker(w)
}

// work runs the worker, its queue, the sweeper and the health server. orderly
// says whether nothing of them goes on.
func work(ctx context.Context, cfg config.Config, p parts) (orderly bool, err error) {
	counts := p.Metrics.Worker()
	machine, measureAgain := capacity(ctx, cfg, p.Records, p.hosts, p.Log)
	worker := p.worker(cfg, machine, counts)
	p.Metrics.Watch(worker, p.Sources.Received)
	p.Metrics.WatchHosts(hostMetrics(p.hosts))
	server := queue.NewServer(p.Client, queue.Config{
		Slots: cfg.WorkerSlots, Takes: worker.Takes, Wanted: worker.Wanted, Missing: worker.Missing, Handler: worker.Handle, Outage: cfg.RenewCap, Log: p.Log,
		OnCancel: func(ctx context.Context, t tasks.Task) { stopForGood(ctx, p.Records, t, p.Log) },
	})
	webhooks, closeWebhooks, err := newWebhooks(cfg, p.Parts, counts.Webhooks.Tried)
	if err != nil {
		return true, err
	}
	defer closeWebhooks()
	listening, err := listenHealth(cfg.WorkerListen, p.Metrics.Handler(), p.RedisCheck(), sandboxHolds(p.hosts))
	if err != nil {
		return true, err
	}
	defer listening.close()

	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	worker.Appear(ctx)
	running.Go(func() { worker.Run(background) })
	running.Go(func() { p.Sweeper.Run(background) })
	running.Go(func() { nudge(background, p.Records, worker) })
	running.Go(func() { p.WatchRedis(background) })
	running.Go(func() { measureAgain(background) })
	running.Go(func() { worker.AnswerQuestions(background, p.Records) })
	if err := server.Start(); err != nil {
		return true, err
	}
	if err := webhooks.Start(); err != nil {
		return true, err
	}
	p.Log.Info("worker started", "worker", worker.Name, "slots", cfg.WorkerSlots, "ffmpeg", p.hosts.FFmpeg(), "sandbox", p.hosts.Sandbox().String(), "addr", listening.addr)
	<-ctx.Done()
	closed := make(chan bool, 1)
	go func() { closed <- within(context.Background(), drainTime, webhooks.Shutdown) }()
	orderly = drain(server, worker, cancel, p.Log)
	return <-closed && orderly, nil
}

// nudge passes on the fast path of stops.
func nudge(ctx context.Context, s *store.Store, w *tasks.Worker) {
	for id := range s.StopSignals(ctx) {
		w.Nudge(id)
	}
}

// stopForGood makes a cancel in asynq's tools our durable stop. Nobody cancels
// again when Redis is failing over just then, so that it is tried until ctx ends.
func stopForGood(ctx context.Context, s tasks.StopStore, t tasks.Task, log *slog.Logger) {
	if err := tasks.StopSurely(ctx, s, t.ID); err != nil {
		log.Error("cancel in the queue could not be made a stop", "push_id", t.ID, "error", err)
	}
}

// name is this process's own: host, process id and a random part.
func name() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), uuid.NewString()[:8])
}
