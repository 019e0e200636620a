package main

import (
	"context"

	"github.com/roomcast/roomcast/cmd/roomcast/demo"
)

type demoCmd struct {
	File    string `arg:"" optional:"" help:"The video to play, a file or an address; a sample clip if not given."`
	Seconds int    `help:"Play so long, check what the room received, and exit 0 only if it was all good." placeholder:"N"`
	Bin     string `help:"Where api and worker are; beside this program if not given." placeholder:"DIR"`
	Keep    bool   `help:"Keep logs, recording and a decoded picture under run/."`
}

// Run runs the demo.
func (d *demoCmd) Run(ctx context.Context, e env) error {
	return demo.Run(ctx, demo.Config{
		Source: d.File, Seconds: d.Seconds, JSON: e.json,
		Bin: d.Bin, Keep: d.Keep, Root: "run", Getenv: e.getenv, Stdout: e.screen,
	})
}
