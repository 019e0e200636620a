package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// What becomes of one try to deliver a webhook.
const (
	WebhookDelivered = "delivered" // the receiver has answered 2xx
	WebhookFailed    = "failed"    // it is tried again
	WebhookDead      = "dead"      // it is not tried again
	WebhookDropped   = "dropped"   // the oldest of an outbox that was full
)

var webhookOutcomes = []string{WebhookDelivered, WebhookFailed, WebhookDead, WebhookDropped}

// webhookTypes are the events that a receiver may be told.
var webhookTypes = []string{
	"push.started", "push.reconnecting", "push.recovered", "push.completed", "push.failed", "push.stopped", "push.progress",
}

const otherWebhook = "other"

// Webhooks counts deliveries, which are a worker's.
type Webhooks struct{ deliveries *prometheus.CounterVec }

func (s *Set) webhooks() Webhooks {
	w := Webhooks{counterOf(s, "roomcast_webhook_deliveries_total", "Tries to deliver a webhook, by the event's type and what became of it.", "type", "outcome")}
	for _, kind := range webhookTypes {
		for _, outcome := range webhookOutcomes {
			zero(w.deliveries, kind, outcome)
		}
	}
	return w
}

// Tried counts one try; outcome is one of the constants.
func (w Webhooks) Tried(kind, outcome string) {
	if !slices.Contains(webhookTypes, kind) {
		kind = otherWebhook
	}
	w.deliveries.WithLabelValues(kind, outcome).Inc()
}
