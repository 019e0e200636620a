// Command composetest tries docker-compose.yml with a real engine: it builds
// the images, starts the stack with its demo and three workers, kills, stops
// and restarts parts of it, and looks at the API and at what the room received.
// It prints a line per check and exits 0 when all are good, 1 when one is not,
// 2 where no engine answers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/roomcast/roomcast/internal/process"
)

func main() {
	ctx, stop := process.Context(context.Background())
	err := run(ctx)
	stop()
	switch {
	case errors.Is(err, errNoEngine):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	d, err := findDocker(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "composetest")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := newStack(d, dir)
	if err != nil {
		return err
	}
	fmt.Printf("      engine %s, %s, project %s\n", d.engine, d.composeVersion, s.project)
	defer func() {
		if err != nil {
			s.showLogs()
		}
		err = errors.Join(err, s.tearDown(context.WithoutCancel(ctx)))
	}()
	for _, c := range checks {
		start := time.Now()
		words, err := c.run(ctx, s)
		took := time.Since(start).Round(100 * time.Millisecond)
		if err != nil {
			fmt.Printf("FAIL  %s (%v): %v\n", c.name, took, err)
			return errors.New("compose-test: not everything is as it must be")
		}
		fmt.Printf("ok    %s (%v)%s\n", c.name, took, words)
	}
	return nil
}
