// Command worker claims the attempts that the queue announces and plays them
// into their rooms. Its settings are ROOMCAST_… environment variables.
package main

import (
	"os"

	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/internal/process"
)

func main() {
	usage := config.Usage("worker", "Plays pushes into their rooms.")
	process.Main(process.Daemon(usage, os.Args[1:], os.Stdout, run))
}
