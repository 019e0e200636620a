package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomcast/roomcast/tasks"
)

var webhookOutcomes = []tasks.WebhookOutcome{tasks.WebhookDelivered, tasks.WebhookFailed, tasks.WebhookDead}

const otherWebhook = "other"

// Webhooks counts deliveries, which are a worker's.
type Webhooks struct{ deliveries *prometheus.CounterVec }

func (s *Set) webhooks() Webhooks {
	w := Webhooks{counterOf(s, "roomcast_webhook_deliveries_total", "Tries to deliver a webhook, by the event's type and what became of it.", "type", "outcome")}
	for _, kind := range tasks.WebhookTypes() {
		for _, outcome := range webhookOutcomes {
			zero(w.deliveries, kind, string(outcome))
		}
	}
	return w
}

// Tried counts one try.
func (w Webhooks) Tried(kind string, became tasks.WebhookOutcome) {
	if !slices.Contains(tasks.WebhookTypes(), kind) {
		kind = otherWebhook
	}
	w.deliveries.WithLabelValues(kind, string(became)).Inc()
}
