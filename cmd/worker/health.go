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

// listenHealth serves /healthz, /readyz and /metrics on addr; redis says whether
// Redis can be used.
func listenHealth(addr string, redis health.Check, metrics http.Handler) (*healthServer, error) {
	if addr == config.WorkerListenOff {
		return &healthServer{addr: addr}, nil
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%sWORKER_LISTEN: %w", config.Prefix, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
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

func (h *healthServer) close() {
	if h.server != nil {
		_ = h.server.Close()
		<-h.ended
	}
}
