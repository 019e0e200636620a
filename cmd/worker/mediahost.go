package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media/host"
	"github.com/roomcast/roomcast/media/libav"
)

// hostCommand makes this program a media host; its arguments are a host.SandboxMode
// and the level of libav's log.
const hostCommand = "media-host"

// ownProgram is this program also when another one has its place by now, after an
// update: that may not understand this worker.
const ownProgram = "/proc/self/exe"

// newPool starts this program as a media host.
func newPool(ctx context.Context, cfg config.Config, log *slog.Logger) (*host.Pool, error) {
	return host.New(ctx, host.Config{
		Command: []string{os.Args[0], hostCommand, cfg.Sandbox, cfg.LogLevel.String()}, Program: ownProgram, Sandbox: host.SandboxMode(cfg.Sandbox),
		Pushes: cfg.HostPushes, Memory: int64(cfg.HostMemory), EncodeMemory: int64(cfg.EncodeHostMemory), Log: log,
	})
}

// mediaHost serves the worker that started it. It is the only place where libav works.
func mediaHost() error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) // its worker says when it ends
	var level slog.Level
	if len(os.Args) != 4 || level.UnmarshalText([]byte(os.Args[3])) != nil {
		return fmt.Errorf("%s is started by a worker alone", hostCommand)
	}
	return host.Serve(host.SandboxMode(os.Args[2]), func() (host.Libav, error) {
		if err := libav.CheckLinked(); err != nil {
			return host.Libav{}, err
		}
		log := slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: level})) //nolint:sloglint // it says which level is wanted
		libav.SetLogger(log)
		return host.Libav{
			Version: libav.Version(), Demuxer: libav.NewOpener(libav.Config{Log: log}),
			Transcoders: libav.NewTranscoders(libav.TranscodeConfig{Log: log}), Pictures: libav.NewPreviews(log), Speeds: libav.NewSpeeds(log),
			Recycle: libav.Recycle, Trim: libav.Trim,
		}, nil
	})
}
