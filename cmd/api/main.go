// Command api serves Roomcast's HTTP API and queue monitor. Its settings are
// the ROOMCAST_ variables of the README.
package main

import (
	"os"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/process"
)

func main() {
	usage := config.Usage("api", "Serves Roomcast's HTTP API and queue monitor.")
	process.Main(process.Daemon(usage, os.Args[1:], os.Stdout, run))
}
