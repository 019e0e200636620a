// Package process is what surrounds the run function of a main: signals, the exit
// code, the version it was built from and the programs that it starts.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Run is the body of a program. It returns when its work is over or ctx has
// ended and everything it started is closed. What it has to say is its log, on
// stderr.
type Run func(ctx context.Context, environ []string, stderr io.Writer) error

// Main runs run under Context and exits: 0 when it returns nil, else with the
// error on stderr and its ExitCode, 1 for one that has none.
func Main(run Run) {
	ctx, stop := Context(context.Background())
	err := run(ctx, os.Environ(), os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code := 1
		if e, ok := errors.AsType[coded](err); ok {
			code = e.ExitCode()
		}
		os.Exit(code)
	}
}

// coded is an error that knows what the program is to exit with.
type coded interface {
	error
	ExitCode() int
}

// Context ends with the first SIGINT or SIGTERM. By then the system's own
// handling is back in place, so a second one ends the process at once.
func Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, func() { cancel(); <-ended }
}

// version is set by the Makefile's -ldflags.
var version string

// Version names the build: what the Makefile says, else the module's version
// and the commit it was built from, as far as the Go tool has stamped them.
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	name := info.Main.Version
	if name == "" {
		name = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && name == "(devel)" {
			name += " " + s.Value
		}
	}
	return name
}
