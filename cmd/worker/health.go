package main

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/tasks"
)

// healthServer answers for this worker; nil answers nothing.
type healthServer struct {
	addr   string
	server *http.Server
	ended  chan struct{}
}

// listenHealth serves /healthz, /readyz and /metrics on addr; redis says whether
// Redis can be used.
func listenHealth(addr string, redis health.Check, w *tasks.Worker) (*healthServer, error) {
	if addr == config.WorkerListenOff {
		return &healthServer{addr: addr}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%sWORKER_LISTEN: %w", config.Prefix, err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(gauges(w)...)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", health.Handler(redis))
	h := &healthServer{
		addr: listener.Addr().String(), ended: make(chan struct{}),
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second},
	}
	go func() {
		defer close(h.ended)
		_ = h.server.Serve(listener) // ends with close
	}()
	return h, nil
}

// gauges are what there is to know of w.
func gauges(w *tasks.Worker) []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	all := []prometheus.Collector{
		gauge("roomcast_worker_pushes", "Pushes that this worker runs.", func() float64 { return float64(w.Running()) }),
		gauge("roomcast_worker_memory_bytes", "Memory that is taken, as the kernel counts before it kills.", func() float64 {
			used, err := w.Memory.Used()
			if err != nil {
				return math.NaN()
			}
			return float64(used)
		}),
		gauge("roomcast_worker_memory_limit_bytes", "Memory that may be taken; 0: without a limit.", func() float64 { return float64(w.Memory.Limit()) }),
	}
	if w.Stuck != nil {
		all = append(all, gauge("roomcast_stuck_opens", "Sources that could not be ended with their push.", func() float64 { return float64(w.Stuck()) }))
	}
	return all
}

func (h *healthServer) close() {
	if h.server != nil {
		_ = h.server.Close()
		<-h.ended
	}
}
