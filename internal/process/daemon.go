package process

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Program is one that is set up by its environment alone.
type Program struct {
	Usage string
	Run   Run
	// Health asks the one that runs here with the same settings whether it
	// lives, and returns nil when it does.
	Health Run
}

// Daemon returns the Run of p: it takes no arguments but a question, for usage
// and version, which are answered on out, or for health, whose answer is the
// exit code.
func Daemon(p Program, args []string, out io.Writer) Run {
	return func(ctx context.Context, environ []string, stderr io.Writer) error {
		if len(args) == 0 {
			if err := harden(); err != nil {
				return err
			}
			return p.Run(ctx, environ, stderr)
		}
		if len(args) == 1 {
			switch args[0] {
			case "--help", "-help", "-h", "help":
				_, err := io.WriteString(out, p.Usage)
				return err
			case "--version", "-version":
				_, err := fmt.Fprintln(out, Version())
				return err
			case "--health", "-health":
				return p.Health(ctx, environ, stderr)
			}
		}
		return errors.New("this program takes no arguments, its settings are environment variables: see --help")
	}
}
