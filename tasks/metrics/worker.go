package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomcast/roomcast/tasks"
)

var (
	startBuckets = []float64{.1, .25, .5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300}
	gapBuckets   = []float64{.05, .1, .2, .3, .5, 1, 2, 3, 5, 7, 10, 20, 30, 60, 300}
	renewBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 3}
)

// refusals name why a worker did not take what was due.
var refusals = []struct {
	err    error
	reason string
}{
	{tasks.ErrFull, "no_free_slot"}, {tasks.ErrDraining, "draining"}, {tasks.ErrUnsure, "redis_was_away"},
	{tasks.ErrMemory, "no_memory"}, {tasks.ErrCapacity, "no_capacity"}, {tasks.ErrNoKey, "no_key"},
	{tasks.ErrIsolated, "needs_empty_worker"},
}

const otherRefusal = "other"

// Worker counts what a worker does.
type Worker struct {
	Webhooks Webhooks

	begun         prometheus.Counter
	first         prometheus.Observer
	gaps          prometheus.ObserverVec
	reconnects    *prometheus.CounterVec
	ends          *prometheus.CounterVec
	renews        prometheus.Observer
	renewFailures prometheus.Counter
	refused       *prometheus.CounterVec
}

var _ tasks.WorkerMetrics = (*Worker)(nil)

// Worker returns a process's only Worker.
func (s *Set) Worker() *Worker {
	w := &Worker{
		Webhooks: s.webhooks(),

		begun: counterOf(s, "roomcast_starts_total", "Attempts that workers have begun; a push has one, and one more after each handover and takeover.").WithLabelValues(),
		first: histogramOf(s, "roomcast_first_packet_seconds", "Time from the creation of a push to its first packet in the room.", startBuckets).WithLabelValues(),
		gaps: histogramOf(s, "roomcast_gap_seconds", "Time that a push was out of its room between two attempts. That of a takeover counts from the last renew of the worker that vanished, up to a second more than viewers saw.",
			gapBuckets, "by"),
		reconnects:    counterOf(s, "roomcast_reconnects_total", "How often a source or a room was opened again within an attempt, by whose fault it was.", "side"),
		ends:          s.ends,
		renews:        histogramOf(s, "roomcast_renew_seconds", "Time that a renew took, of all leases of a worker or of those that had news, failed ones too.", renewBuckets).WithLabelValues(),
		renewFailures: counterOf(s, "roomcast_renew_failures_total", "Renews that failed: Redis could not be used.").WithLabelValues(),
		refused:       counterOf(s, "roomcast_refusals_total", "How often a worker did not take an attempt that was due, by reason; it comes again in about a second.", "reason"),
	}
	w.gaps.WithLabelValues(string(tasks.OpeningHandover))
	w.gaps.WithLabelValues(string(tasks.OpeningTakeover))
	for _, side := range []tasks.Side{tasks.SideSource, tasks.SideRoom, tasks.SideWorker} {
		zero(w.reconnects, string(side))
	}
	for _, r := range refusals {
		zero(w.refused, r.reason)
	}
	zero(w.refused, otherRefusal)
	return w
}

// Began implements tasks.AttemptMetrics.
func (w *Worker) Began() { w.begun.Inc() }

// Opened implements tasks.AttemptMetrics.
func (w *Worker) Opened(how tasks.Opening, after time.Duration) {
	seconds := max(after, 0).Seconds() // clocks of two machines
	if how == tasks.OpeningFirst {
		w.first.Observe(seconds)
		return
	}
	w.gaps.WithLabelValues(string(how)).Observe(seconds)
}

// Reconnecting implements tasks.AttemptMetrics.
func (w *Worker) Reconnecting(s tasks.Side) { w.reconnects.WithLabelValues(string(s)).Inc() }

// Ended implements tasks.AttemptMetrics.
func (w *Worker) Ended(s tasks.State, code tasks.Code) {
	w.ends.WithLabelValues(string(s), string(code)).Inc()
}

// Renewed implements tasks.WorkerMetrics.
func (w *Worker) Renewed(took time.Duration, err error) {
	w.renews.Observe(took.Seconds())
	if err != nil {
		w.renewFailures.Inc()
	}
}

// Refused implements tasks.WorkerMetrics.
func (w *Worker) Refused(why error) {
	reason := otherRefusal
	for _, r := range refusals {
		if errors.Is(why, r.err) {
			reason = r.reason
		}
	}
	w.refused.WithLabelValues(reason).Inc()
}
