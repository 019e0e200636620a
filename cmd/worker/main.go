// Command worker claims the attempts that the queue announces and plays them
// into their rooms. Its settings are ROOMCAST_… environment variables.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/internal/process"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == hostCommand {
		if err := mediaHost(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	usage := config.Usage("worker", "Plays pushes into their rooms.")
	process.Main(process.Daemon(process.Program{Usage: usage, Run: run, Health: healthy}, os.Args[1:], os.Stdout))
}

// healthy asks the worker that runs here with these settings whether it lives.
func healthy(ctx context.Context, environ []string, _ io.Writer) error {
	cfg, _, err := config.LoadWorker(environ)
	if err != nil {
		return err
	}
	return health.Probe(ctx, cfg.WorkerListen)
}
