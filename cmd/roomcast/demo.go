package main

import (
	"context"

	"github.com/roomcast/roomcast/cmd/roomcast/demo"
)

type demoCmd struct {
	Seconds int    `help:"Play so long, check what the room received, and exit 0 only if it was all good." placeholder:"N"`
	Bin     string `help:"Where api and worker are; beside this program if not given." placeholder:"DIR"`
	Keep    bool   `help:"Keep logs, recording and a decoded picture under run/."`
}

// Run runs the demo.
func (d *demoCmd) Run(ctx context.Context, e env) error {
	return demo.Run(ctx, demo.Config{
		Seconds: d.Seconds, Bin: d.Bin, Keep: d.Keep, Root: "run", Getenv: e.getenv, Stdout: e.stdout,
	})
}
