// Package metrics is what API and worker tell Prometheus: each program has one
// Set and adds to it what it knows. docs/metrics.md lists them all.
package metrics

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/roomcast/roomcast/tasks"
)

// Set is the metrics of one process.
type Set struct {
	registry *prometheus.Registry
	ends     *prometheus.CounterVec
}

// New returns the metrics of a program of some version, with those of its Go
// runtime and its process.
func New(program, version string) *Set {
	s := &Set{registry: prometheus.NewRegistry()}
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := gaugeOf(s, "roomcast_build_info", "Always 1: which program this is, and of which version.", "program", "version", "goversion")
	build.WithLabelValues(program, version, runtime.Version()).Set(1)
	s.ends = counterOf(s, "roomcast_ends_total", "Pushes that have ended, by state and, of failed ones, code; not those that ended before a worker had them.", "state", "code")
	zero(s.ends, string(tasks.Completed), "")
	zero(s.ends, string(tasks.Stopped), "")
	for _, code := range tasks.FailureCodes() {
		zero(s.ends, string(tasks.Failed), string(code))
	}
	return s
}

// Handler serves the metrics in Prometheus's formats. What cannot be told is
// left out.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

func counterOf(s *Set, name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	s.registry.MustRegister(c)
	return c
}

func gaugeOf(s *Set, name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	s.registry.MustRegister(g)
	return g
}

func histogramOf(s *Set, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	s.registry.MustRegister(h)
	return h
}

// zero makes series that are there from the start: what has never happened is 0
// and not absent, so that its first time is an increase.
func zero(c *prometheus.CounterVec, label string, others ...string) {
	c.WithLabelValues(append([]string{label}, others...)...)
}
