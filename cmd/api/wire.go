package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

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
	"github.com/roomcast/roomcast/web/api"
	"github.com/roomcast/roomcast/web/console"
	"github.com/roomcast/roomcast/web/monitor"
)

// parts is what a running API is made of.
type parts struct {
	log     *slog.Logger
	handler http.Handler
	live    *api.Hub
	seal    secret.Box // of sessions
	sweeper *tasks.Sweeper
	watch   func(ctx context.Context) // over Redis, until ctx ends
	closers []func()
}

// close closes what wire opened, in reverse order.
func (p *parts) close() {
	for _, c := range slices.Backward(p.closers) {
		c()
	}
}

func wire(ctx context.Context, cfg config.Config, log *slog.Logger) (_ *parts, err error) {
	p := &parts{log: log}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	redis := redisconn.Config{URL: cfg.RedisURL.Reveal(), ClientName: "roomcast-api"}
	client, err := redisconn.Open(ctx, redis, log)
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, func() { _ = client.Close() })
	records := store.New(client, store.Config{Lease: cfg.Lease, Retention: cfg.Retention})
	bell := queue.New(client)
	service, err := p.service(cfg, client)
	if err != nil {
		return nil, err
	}
	if redis.FailsOver() {
		service.Patience = tasks.FailoverPatience
	}
	service.Pushes, service.Repeats, service.Stops, service.Workers = records, records, records, records
	service.Queue, service.Questions = bell, records
	if cfg.Preview {
		service.Previews = records
	}
	p.watch = func(ctx context.Context) { redisconn.Watch(ctx, client, redisconn.WatchEvery, log) }
	p.live = api.NewHub(records, log)
	inspector, told := queue.NewInspector(client), metrics.New("api", process.Version())
	fleet := told.Fleet(metrics.FleetConfig{Store: records, Queues: inspector, Evicts: func(ctx context.Context) (bool, error) {
		return redisconn.Evicts(ctx, client)
	}})
	p.closers = append(p.closers, fleet.Close)
	p.sweeper = &tasks.Sweeper{Store: records, Queue: bell, Inspector: inspector, Lease: cfg.Lease, Log: log, Metrics: told.Sweeps(), Outboxes: records, Webhooks: bell}
	p.handler = api.New(api.Config{
		Pushes:   service,
		History:  service,
		Workers:  service,
		Webhooks: records,
		Previews: service,
		Live:     p.live,
		Keys:     apiKeys(cfg.APIKeys),
		Sessions: p.seal,
		Health:   health.Handler(health.Redis(client, records.Writable), hasRoom(service), sameVersion(service), isSandboxed(service)),
		Page:     console.Handler(),
		Monitor: monitor.New(monitor.Config{
			Client: client, Active: records.Active,
			Declare: func(ctx context.Context) error { return queue.Declare(ctx, client) },
		}),
		Metrics: told.Handler(), Answered: told.Requests(),
		Log: log,
	})
	return p, nil
}

// service makes what requests are checked and sealed with; the stores are the
// caller's to fill in.
func (p *parts) service(cfg config.Config, client redisconn.Client) (*tasks.Service, error) {
	keys, err := secret.ParseKeys(cfg.SecretKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("ROOMCAST_SECRET_KEY: %w", err)
	}
	sealer, err := secret.New(keys...)
	if err != nil {
		return nil, fmt.Errorf("ROOMCAST_SECRET_KEY: %w", err)
	}
	p.seal = sealer.Box("session")
	door, err := trtc.New(trtc.Config{Keys: cfg.SDKKeys, Endpoint: cfg.RTMPEndpoint})
	if err != nil {
		return nil, fmt.Errorf("ROOMCAST_SDK_KEYS, ROOMCAST_RTMP_ENDPOINT: %w", err)
	}
	resume, err := store.NewResume(client, store.ResumeConfig{Allow: cfg.ProgressRedisAllow, TTL: cfg.ResumeTTL})
	if err != nil {
		return nil, fmt.Errorf("ROOMCAST_PROGRESS_REDIS_ALLOW: %w", err)
	}
	p.closers = append(p.closers, resume.Close)
	gate, err := egress.New(egress.Config{Schemes: cfg.SourceSchemes, Allow: cfg.SourceAllow, Deny: cfg.SourceDeny, Log: p.log})
	if err != nil {
		return nil, fmt.Errorf("ROOMCAST_SOURCE_SCHEMES, ROOMCAST_SOURCE_ALLOW, ROOMCAST_SOURCE_DENY: %w", err)
	}
	callbacks, err := p.callbacks(cfg)
	if err != nil {
		return nil, err
	}
	return &tasks.Service{
		Sealer: sealer, Door: door, Sources: gate, Resume: resume, MaxDuration: cfg.MaxDuration, Callbacks: callbacks, Log: p.log,
	}, nil
}

// callbacks says which callbacks requests may have.
func (p *parts) callbacks(cfg config.Config) (tasks.Callbacks, error) {
	c := tasks.Callbacks{Everywhere: cfg.WebhookURL != ""}
	if cfg.WebhookSecret == "" {
		return c, nil
	}
	gate, err := egress.New(egress.Config{Schemes: []string{"http", "https"}, Allow: cfg.WebhookAllow, Deny: cfg.SourceDeny, Log: p.log})
	if err != nil {
		return c, fmt.Errorf("ROOMCAST_WEBHOOK_ALLOW, ROOMCAST_SOURCE_DENY: %w", err)
	}
	c.Check = gate
	return c, nil
}

func apiKeys(keys config.APIKeys) []api.Key {
	all := make([]api.Key, len(keys))
	for i, k := range keys {
		all[i] = api.Key(k)
	}
	return all
}
