package process

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Daemon returns run for a program that is set up by its environment alone: it
// takes no arguments but a question for usage or version, which is answered on
// out.
func Daemon(usage string, args []string, out io.Writer, run Run) Run {
	return func(ctx context.Context, environ []string, stderr io.Writer) error {
		if len(args) == 0 {
			return run(ctx, environ, stderr)
		}
		if len(args) == 1 {
			switch args[0] {
			case "--help", "-help", "-h", "help":
				_, err := io.WriteString(out, usage)
				return err
			case "--version", "-version":
				_, err := fmt.Fprintln(out, Version())
				return err
			}
		}
		return errors.New("this program takes no arguments, its settings are environment variables: see --help")
	}
}
