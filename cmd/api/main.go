// Command api serves Roomcast's HTTP API and queue monitor. Its settings are
// the ROOMCAST_ variables of the README.
package main

import (
	"context"
	"io"
	"os"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/health"
	"github.com/roomcast/roomcast/internal/process"
)

func main() {
	usage := config.Usage("api", "Serves Roomcast's HTTP API and queue monitor.")
	process.Main(process.Daemon(process.Program{Usage: usage, Run: run, Health: healthy}, os.Args[1:], os.Stdout))
}

// healthy asks the API that runs here with these settings whether it lives.
func healthy(ctx context.Context, environ []string, _ io.Writer) error {
	cfg, _, err := config.Load(environ)
	if err != nil {
		return err
	}
	return health.Probe(ctx, cfg.Listen)
}
