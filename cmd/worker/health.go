package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
)

// healthServer answers for this worker; nil answers nothing.
type healthServer struct {
	addr   string
	server *http.Server
	ended  chan struct{}
}

// listenHealth serves /healthz, /readyz with checks and /metrics on addr.
func listenHealth(addr string, metrics http.Handler, checks ...health.Check) (*healthServer, error) {
	if addr == config.WorkerListenOff {
		return &healthServer{addr: addr}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%sWORKER_LISTEN: %w", config.Prefix, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.Handle("/", health.Handler(checks...))
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
