package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/roomcast/roomcast/cmd/internal/boot"
	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/web/api"
)

// shutdownTimeout is how long requests may take to end when the process does.
const shutdownTimeout = 10 * time.Second

// run serves until ctx ends and every request has been answered.
func run(ctx context.Context, environ []string, stderr io.Writer) error {
	cfg, log, err := boot.Settings(config.Load, environ, stderr)
	if err != nil {
		return err
	}
	p, err := wire(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer p.close()
	return p.serve(ctx, cfg.Listen)
}

// serve listens and sweeps until ctx ends or the listener fails.
func (p *parts) serve(ctx context.Context, addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on ROOMCAST_LISTEN: %w", err)
	}
	server := api.NewServer(addr, p.handler)
	server.ErrorLog = slog.NewLogLogger(p.Log.Handler(), slog.LevelWarn)
	p.Log.Info("listening", "addr", listener.Addr().String(), "version", process.Version())

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var running sync.WaitGroup
	running.Go(func() { p.Sweeper.Run(ctx) })
	running.Go(func() { p.WatchRedis(ctx) })
	running.Go(func() { p.live.Run(ctx) })
	running.Go(func() { p.shutDown(ctx, server) })
	err = server.Serve(listener)
	cancel()
	running.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// shutDown waits for ctx's end, then for the requests that run.
func (p *parts) shutDown(ctx context.Context, server *http.Server) {
	<-ctx.Done()
	p.Log.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		p.Log.Warn("requests were cut off", "error", err)
		_ = server.Close()
	}
}
