package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/egress"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/tasks/secret"
	"github.com/roomcast/roomcast/tasks/store"
	"github.com/roomcast/roomcast/tasks/webhook"
	"github.com/roomcast/roomcast/web/view"
)

// newWebhooks puts together what delivers webhooks; the returned func closes
// what it dials with.
func newWebhooks(cfg config.Config, p parts, records *store.Store, sealer *secret.Sealer, tried func(string, tasks.WebhookOutcome)) (*queue.WebhookServer, func(), error) {
	gate, err := egress.New(egress.Config{Schemes: []string{"http", "https"}, Allow: cfg.WebhookAllow, Deny: cfg.SourceDeny, Log: p.log})
	if err != nil {
		return nil, nil, fmt.Errorf("%sWEBHOOK_ALLOW, %sSOURCE_DENY: %w", config.Prefix, config.Prefix, err)
	}
	own, guarded := webhookClient((&net.Dialer{}).DialContext), webhookClient(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := gate.DialContext(ctx, network, addr)
		if kind := media.KindOf(err); err != nil && (kind == media.KindSourceBlocked || kind == media.KindSourceHost) {
			err = errors.Join(webhook.ErrBlocked, err)
		}
		return conn, err
	})
	deliverer, err := webhook.New(webhook.Config{
		Store: records, Opener: sealer, View: func(p tasks.Push) any { return view.Of(p) }, Log: p.log,
		Secrets: cfg.WebhookSecrets(), URL: cfg.WebhookURL, Own: own, Guarded: guarded, Tried: tried,
	})
	if err != nil {
		return nil, nil, err
	}
	closeAll := func() {
		own.CloseIdleConnections()
		guarded.CloseIdleConnections()
	}
	return queue.NewWebhookServer(p.client, deliverer.Deliver, p.log), closeAll, nil
}

// webhookClient returns a client without a proxy.
func webhookClient(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: dial, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}
