package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/roomcast/roomcast/cmd/internal/boot"
	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/metrics"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/web/api"
	"github.com/roomcast/roomcast/web/console"
	"github.com/roomcast/roomcast/web/monitor"
)

// parts is what a running API is made of.
type parts struct {
	*boot.Parts
	handler http.Handler
	live    *api.Hub
	fleet   *metrics.Fleet
}

// close closes what wire opened, in reverse order.
func (p *parts) close() {
	p.fleet.Close()
	p.Close()
}

func wire(ctx context.Context, cfg config.Config, log *slog.Logger) (*parts, error) {
	b, err := boot.New(ctx, "api", cfg, log)
	if err != nil {
		return nil, err
	}
	service, err := newService(cfg, b)
	if err != nil {
		b.Close()
		return nil, err
	}
	p := &parts{Parts: b, live: api.NewHub(b.Records, log)}
	p.fleet = b.Metrics.Fleet(metrics.FleetConfig{Store: b.Records, Queues: b.Inspector, Evicts: func(ctx context.Context) (bool, error) {
		return redisconn.Evicts(ctx, b.Client)
	}})
	p.handler = api.New(api.Config{
		Pushes:   service,
		History:  b.Records,
		Workers:  service,
		Webhooks: b.Records,
		Previews: service,
		Live:     p.live,
		Keys:     apiKeys(cfg.APIKeys),
		Sessions: b.Sealer.Box("session"),
		Health: health.Handler(b.RedisCheck(),
			ofFleet(service, "workers", hasRoom), ofFleet(service, "versions", sameVersion), ofFleet(service, "sandbox", isSandboxed)),
		Page: console.Handler(),
		Monitor: monitor.New(monitor.Config{
			Client: b.Client, Active: b.Records.Active,
			Declare: func(ctx context.Context) error { return queue.Declare(ctx, b.Client) },
		}),
		Metrics: b.Metrics.Handler(), Answered: b.Metrics.Requests(),
		Log: log,
	})
	return p, nil
}

// newService makes what checks, seals and starts pushes.
func newService(cfg config.Config, b *boot.Parts) (*tasks.Service, error) {
	callbacks := tasks.Callbacks{Everywhere: cfg.WebhookURL != ""}
	if cfg.WebhookSecret != "" {
		gate, err := b.Callbacks(cfg)
		if err != nil {
			return nil, err
		}
		callbacks.Check = gate
	}
	service := &tasks.Service{
		Records: tasks.Records{Pushes: b.Records, Repeats: b.Records, Stops: b.Records},
		Workers: b.Records, Questions: b.Records,
		Queue: b.Queue, Sealer: b.Sealer, Door: b.Door, Sources: b.Sources, Resume: b.Resume,
		MaxDuration: cfg.MaxDuration, Callbacks: callbacks, Log: b.Log,
	}
	if cfg.Preview {
		service.Previews = b.Records
	}
	if b.FailsOver {
		service.Patience = tasks.FailoverPatience
	}
	return service, nil
}

func apiKeys(keys config.APIKeys) []api.Key {
	all := make([]api.Key, len(keys))
	for i, k := range keys {
		all[i] = api.Key(k)
	}
	return all
}
