package main

import (
	"context"
	"fmt"
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
func listenHealth(addr string, redis func(context.Context) error, w *tasks.Worker) (*healthServer, error) {
	if addr == config.WorkerListenOff {
		return &healthServer{addr: addr}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%sWORKER_LISTEN: %w", config.Prefix, err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "roomcast_worker_pushes", Help: "Pushes that this worker runs.",
		}, func() float64 { return float64(w.Running()) }),
	)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", health.Handler(health.Check{Name: "redis", Run: redis}))
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

func (h *healthServer) close() {
	if h.server != nil {
		_ = h.server.Close()
		<-h.ended
	}
}
