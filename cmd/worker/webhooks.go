package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/roomcast/roomcast/cmd/internal/boot"
	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
	"github.com/roomcast/roomcast/tasks/queue"
	"github.com/roomcast/roomcast/tasks/webhook"
	"github.com/roomcast/roomcast/web/view"
)

// newWebhooks puts together what delivers webhooks; the returned func closes
// what it dials with.
func newWebhooks(cfg config.Config, b *boot.Parts, tried func(string, tasks.WebhookOutcome)) (*queue.WebhookServer, func(), error) {
	gate, err := b.Callbacks(cfg)
	if err != nil {
		return nil, nil, err
	}
	own, guarded := webhookClient((&net.Dialer{}).DialContext), webhookClient(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := gate.DialContext(ctx, network, addr)
		if kind := media.KindOf(err); err != nil && (kind == media.KindSourceBlocked || kind == media.KindSourceHost) {
			err = errors.Join(webhook.ErrBlocked, err)
		}
		return conn, err
	})
	deliverer, err := webhook.New(webhook.Config{
		Store: b.Records, Opener: b.Sealer, View: func(p tasks.Push) any { return view.Of(p) }, Log: b.Log,
		Secrets: cfg.WebhookSecrets(), URL: cfg.WebhookURL, Own: own, Guarded: guarded, Tried: tried,
	})
	if err != nil {
		return nil, nil, err
	}
	closeAll := func() {
		own.CloseIdleConnections()
		guarded.CloseIdleConnections()
	}
	return queue.NewWebhookServer(b.Client, deliverer.Deliver, b.Log), closeAll, nil
}

// webhookClient returns a client without a proxy.
func webhookClient(dial func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: dial, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}
