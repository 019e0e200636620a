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

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/internal/logging"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/push"
	"github.com/roomcast/roomcast/media/rtmp"
	"github.com/roomcast/roomcast/media/source"
	"github.com/roomcast/roomcast/media/trtc"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/metrics"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/tasks/store"
)

// closingTime bounds the end of the media hosts.
const closingTime = 2 * time.Second

// run works until ctx ends, and then gives its pushes back.
func run(ctx context.Context, environ []string, stderr io.Writer) error {
	cfg, warnings, err := config.LoadWorker(environ)
	if err != nil {
		return err
	}
	log := logging.New(stderr, cfg.LogLevel, cfg.LogFormat)
	for _, w := range warnings {
		log.Warn("unknown setting", "detail", w.String())
	}
	redisconn.LogTo(log)
	client, err := redisconn.Open(ctx, redisconn.Config{URL: cfg.RedisURL.Reveal(), ClientName: "roomcast-worker"}, log)
	if err != nil {
		return err
	}
	orderly := true
	defer func() {
		if orderly { // or asynq, which still works with it, panics
			_ = client.Close()
		}
	}()
	hosts, err := newPool(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer within(context.WithoutCancel(ctx), closingTime, hosts.Close)
	player, received, err := newPlayer(cfg, hosts, log)
	if err != nil {
		return err
	}
	p := parts{client: client, player: player, hosts: hosts, received: received, memory: boundMemory(cfg, environ, hosts, log), log: log}
	if cfg.Preview {
		p.pictures = hosts
	}
	orderly, err = work(ctx, cfg, p)
	return err
}

// newPlayer puts the media together; received tells how many bytes have come from
// sources.
func newPlayer(cfg config.Config, hosts *host.Pool, log *slog.Logger) (player *push.Pusher, received func() int64, err error) {
	gate, err := egress.New(egress.Config{Schemes: cfg.SourceSchemes, Allow: cfg.SourceAllow, Deny: cfg.SourceDeny, Log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("%sSOURCE_…: %w", config.Prefix, err)
	}
	door, err := trtc.New(trtc.Config{Keys: cfg.SDKKeys, Endpoint: cfg.RTMPEndpoint})
	if err != nil {
		return nil, nil, err
	}
	player = &push.Pusher{
		Opener: &source.Opener{
			Network: gate, Demuxer: hosts,
			Silence: cfg.SourceSilence, Log: log,
		},
		Dialer: &rtmp.Dialer{Log: log},
		Door:   door,

		Transcoders: hosts.Transcoders(),
	}
	return player, gate.Received, nil
}

// parts is what work puts together.
type parts struct {
	client   redisconn.Client
	player   tasks.Player
	received func() int64 // bytes from sources
	memory   tasks.Memory
	pictures tasks.PictureMaker // nil: no previews are made
	hosts    *host.Pool
	log      *slog.Logger
}

// work runs the worker, its queue, the sweeper and the health server. orderly
// says whether nothing of them goes on.
func work(ctx context.Context, cfg config.Config, p parts) (orderly bool, err error) {
	keys, err := secret.ParseKeys(cfg.SecretKey.Reveal())
	if err != nil {
		return true, err
	}
	sealer, err := secret.New(keys...)
	if err != nil {
		return true, err
	}
	resume, err := store.NewResume(p.client, store.ResumeConfig{Allow: cfg.ProgressRedisAllow, TTL: cfg.ResumeTTL})
	if err != nil {
		return true, err
	}
	defer resume.Close()
	records := store.New(p.client, store.Config{Lease: cfg.Lease, Retention: cfg.Retention})
	bell, told := queue.New(p.client), metrics.New("worker", process.Version())
	counts := told.Worker()
	worker := tasks.NewWorker(tasks.WorkerConfig{
		Name: name(), Version: process.Version(), Slots: cfg.WorkerSlots, Lease: cfg.Lease, RenewCap: cfg.RenewCap, Store: records,
		Queue: bell, Leases: records, Places: records, Handovers: records, Resume: resume, Sealer: sealer, Player: p.player, Log: p.log,
		Previews: records, Pictures: p.pictures, Memory: p.memory, CPU: cpuTime(p.hosts), Metrics: counts,
		Sandbox: p.hosts.Sandbox().String(),
	})
	told.Watch(worker, p.received)
	told.WatchHosts(hostMetrics(p.hosts))
	server := queue.NewServer(p.client, queue.Config{
		Slots: cfg.WorkerSlots, Handler: worker.Handle, Log: p.log,
		OnCancel: func(ctx context.Context, t tasks.Task) { stopForGood(ctx, records, t, p.log) },
	})
	webhooks, closeWebhooks, err := newWebhooks(cfg, p, records, sealer, counts.Webhooks.Tried)
	if err != nil {
		return true, err
	}
	defer closeWebhooks()
	listening, err := listenHealth(cfg.WorkerListen, told.Handler(), health.Redis(p.client, records.Writable), sandboxHolds(p.hosts))
	if err != nil {
		return true, err
	}
	defer listening.close()

	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	sweeper := tasks.Sweeper{Store: records, Queue: bell, Bells: queue.NewBells(p.client), Lease: cfg.Lease, Log: p.log, Metrics: told.Sweeps(), Outboxes: records, Webhooks: bell}
	worker.Appear(ctx)
	running.Go(func() { worker.Run(background) })
	running.Go(func() { sweeper.Run(background) })
	running.Go(func() { nudge(background, records, worker) })
	running.Go(func() { redisconn.Watch(background, p.client, redisconn.WatchEvery, p.log) })
	running.Go(func() { worker.AnswerQuestions(background, records) })
	if err := server.Start(); err != nil {
		return true, err
	}
	if err := webhooks.Start(); err != nil {
		return true, err
	}
	p.log.Info("worker started", "worker", worker.Name, "slots", cfg.WorkerSlots, "ffmpeg", p.hosts.FFmpeg(), "sandbox", p.hosts.Sandbox().String(), "addr", listening.addr)
	<-ctx.Done()
	closed := make(chan bool, 1)
	go func() { closed <- within(context.Background(), drainTime, webhooks.Shutdown) }()
	orderly = drain(server, worker, cancel, p.log)
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
