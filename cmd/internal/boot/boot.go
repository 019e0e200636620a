// Package boot wires what API and worker have alike: the settings, the log, Redis,
// what stands on it, and who may be dialled. What is theirs alone they wire themselves.
package boot

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/media/trtc"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/metrics"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/tasks/store"
)

// Load reads a program's settings: config.Load, or config.LoadWorker.
type Load func(environ []string) (config.Config, []config.Warning, error)

// Settings returns a program's settings and its log, in which unknown settings stand.
func Settings(load Load, environ []string, stderr io.Writer) (config.Config, *slog.Logger, error) {
	cfg, warnings, err := load(environ)
	if err != nil {
		return config.Config{}, nil, err
	}
	log := newLog(stderr, cfg.LogLevel, cfg.LogFormat)
	for _, w := range warnings {
		log.Warn("unknown setting", "detail", w.String())
	}
	redisconn.LogTo(log)
	return cfg, log, nil
}

// newLog returns a log that writes to w, as text or json. It redacts nothing: what must
// not be shown is a media.Secret, which prints as [redacted] through every handler.
func newLog(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Parts is what API and worker have alike.
type Parts struct {
	Log       *slog.Logger
	Client    redisconn.Client
	FailsOver bool // another server takes over when Redis is away
	Records   *store.Store
	Resume    *store.Resume
	Queue     *queue.Queue
	Inspector *queue.Inspector
	Sealer    *secret.Sealer
	Door      *trtc.Door
	Sources   *egress.Gate
	Metrics   *metrics.Set
	Sweeper   *tasks.Sweeper
}

// New opens Redis and wires the parts of program, "api" or "worker". Close closes them.
func New(ctx context.Context, program string, cfg config.Config, log *slog.Logger) (*Parts, error) {
	sealer, err := newSealer(cfg)
	if err != nil {
		return nil, fmt.Errorf("%sSECRET_KEY: %w", config.Prefix, err)
	}
	door, err := trtc.New(trtc.Config{Keys: cfg.SDKKeys, Endpoint: cfg.RTMPEndpoint})
	if err != nil {
		return nil, fmt.Errorf("%sSDK_KEYS, %sRTMP_ENDPOINT: %w", config.Prefix, config.Prefix, err)
	}
	sources, err := egress.New(egress.Config{Schemes: cfg.SourceSchemes, Allow: cfg.SourceAllow, Deny: cfg.SourceDeny, Log: log})
	if err != nil {
		return nil, fmt.Errorf("%sSOURCE_SCHEMES, %sSOURCE_ALLOW, %sSOURCE_DENY: %w", config.Prefix, config.Prefix, config.Prefix, err)
	}
	redis := redisconn.Config{URL: cfg.RedisURL.Reveal(), ClientName: "roomcast-" + program}
	client, err := redisconn.Open(ctx, redis, log)
	if err != nil {
		return nil, err
	}
	resume, err := store.NewResume(client, store.ResumeConfig{Allow: cfg.ProgressRedisAllow, TTL: cfg.ResumeTTL})
	if err != nil {
		_ = client.Close()
		return nil, fmt.Errorf("%sPROGRESS_REDIS_ALLOW: %w", config.Prefix, err)
	}
	p := &Parts{
		Log: log, Client: client, FailsOver: redis.FailsOver(), Sealer: sealer, Door: door, Sources: sources, Resume: resume,
		Records: store.New(client, store.Config{Lease: cfg.Lease, Retention: cfg.Retention}),
		Queue:   queue.New(client), Inspector: queue.NewInspector(client), Metrics: metrics.New(program, process.Version()),
	}
	p.Sweeper = &tasks.Sweeper{
		Store: p.Records, Queue: p.Queue, Inspector: p.Inspector, Lease: cfg.Lease, Log: log, Metrics: p.Metrics.Sweeps(),
		Outboxes: p.Records, Webhooks: p.Queue,
	}
	return p, nil
}

func newSealer(cfg config.Config) (*secret.Sealer, error) {
	keys, err := secret.ParseKeys(cfg.SecretKey.Reveal())
	if err != nil {
		return nil, err
	}
	return secret.New(keys...)
}

// Close closes Redis, and those that resume records are in.
func (p *Parts) Close() {
	p.Resume.Close()
	_ = p.Client.Close()
}

// WatchRedis logs what is wrong with Redis until ctx ends.
func (p *Parts) WatchRedis(ctx context.Context) {
	redisconn.Watch(ctx, p.Client, redisconn.WatchEvery, p.Log)
}

// RedisCheck is of a process's health.
func (p *Parts) RedisCheck() health.Check { return health.Redis(p.Client, p.Records.Writable) }

// Callbacks says where callbackUrls may lead.
func (p *Parts) Callbacks(cfg config.Config) (*egress.Gate, error) {
	gate, err := egress.New(egress.Config{Schemes: []string{"http", "https"}, Allow: cfg.WebhookAllow, Deny: cfg.SourceDeny, Log: p.Log})
	if err != nil {
		return nil, fmt.Errorf("%sWEBHOOK_ALLOW, %sSOURCE_DENY: %w", config.Prefix, config.Prefix, err)
	}
	return gate, nil
}
