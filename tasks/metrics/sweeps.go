package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/roomcast/roomcast/tasks"
)

// Sweeps counts what a sweeper does.
type Sweeps struct{ takeovers, ends *prometheus.CounterVec }

var _ tasks.SweepMetrics = Sweeps{}

// Whom a sweeper takes a push from.
const (
	fromWorker = "worker" // its lease ran out
	fromQueue  = "queue"  // its task was lost
)

// Sweeps returns a process's only Sweeps.
func (s *Set) Sweeps() Sweeps {
	w := Sweeps{ends: s.ends, takeovers: counterOf(s, "roomcast_takeovers_total",
		"Pushes that were taken over from a worker that had vanished, or whose task in the queue was lost, by what they became.", "from", "state")}
	for _, from := range []string{fromWorker, fromQueue} {
		for _, state := range []tasks.State{tasks.Queued, tasks.Stopped, tasks.Failed} {
			zero(w.takeovers, from, string(state))
		}
	}
	return w
}

// TookOver implements tasks.SweepMetrics.
func (w Sweeps) TookOver(e tasks.Expired, t tasks.Taken) {
	from := fromWorker
	if e.Push.State == tasks.Queued {
		from = fromQueue
	}
	w.takeovers.WithLabelValues(from, string(t.State)).Inc()
	if !t.State.Terminal() {
		return
	}
	var code tasks.Code
	switch {
	case e.Damage != nil:
		code = tasks.Damaged().Code
	case t.State == tasks.Failed:
		code = tasks.Poisoned().Code
	}
	w.ends.WithLabelValues(string(t.State), string(code)).Inc()
}
