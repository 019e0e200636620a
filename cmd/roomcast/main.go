// Command roomcast is Roomcast's command line: it starts, lists, follows and stops pushes through
// the HTTP API, prints UserSigs, and runs the whole service as a demo.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/internal/process"
	"github.com/roomcast/roomcast/media"
)

func main() {
	process.Main(func(ctx context.Context, _ []string, stderr io.Writer) error {
		return run(ctx, os.Args[1:], os.Getenv, os.Stdout, stderr)
	})
}

// cli is the command line. What has a getenv tag may come from that variable
// too. API keys, signatures and passwords have no flag: everybody on the
// machine can read a process list.
type cli struct {
	API     string           `help:"The API's address (ROOMCAST_API). Its key is taken from ROOMCAST_API_KEY." getenv:"ROOMCAST_API" default:"http://127.0.0.1:8080" placeholder:"URL"`
	Version kong.VersionFlag `help:"Print the version."`

	Push     pushCmd     `cmd:"" help:"Put a video into a room and follow it."`
	Ls       lsCmd       `cmd:"" help:"List pushes, newest first."`
	Show     showCmd     `cmd:"" help:"Show a push and what happened to it."`
	Watch    watchCmd    `cmd:"" help:"Follow a push. Ctrl-C leaves it running."`
	Stop     stopCmd     `cmd:"" help:"Stop pushes."`
	Webhooks webhooksCmd `cmd:"" help:"Webhooks that could not be delivered."`
	Usersig  usersigCmd  `cmd:"" help:"Print a UserSig, made with the app's key from ROOMCAST_SDK_KEY, or ROOMCAST_SDK_KEYS (appid=key,…)."`
	Doctor   doctorCmd   `cmd:"" help:"Say whether the API can be reached and works, and what to do if not."`
	Demo     demoCmd     `cmd:"" help:"Run everything on this machine: Redis, a stand-in room, API, worker, and a push of a sample clip."`
	Stage    stageCmd    `cmd:"" help:"The demo's parts, each by itself."`
}

// env is what commands work with.
type env struct {
	getenv func(string) string
	stdout io.Writer
	api    string
}

// client returns a client of the API named on the command line.
func (e env) client() (*client.Client, error) {
	return client.New(e.api, media.Secret(e.getenv("ROOMCAST_API_KEY")))
}

// printf prints to a person: without what a terminal takes as a command.
func (e env) printf(format string, args ...any) {
	fmt.Fprint(e.stdout, client.Printable(fmt.Sprintf(format, args...)))
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var c cli
	done := false // --help or --version has printed what was asked for
	parser, err := kong.New(&c,
		kong.Name("roomcast"),
		kong.Description("Puts a video into a TRTC room."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { done = true }),
		kong.Vars{"version": process.Version()},
		kong.Resolvers(fromEnvironment(getenv)),
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if done {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (roomcast --help lists everything)", err)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return command.Run(env{getenv: getenv, stdout: stdout, api: c.API})
}

// fromEnvironment gives a flag the value of the variable that its getenv tag
// names.
func fromEnvironment(getenv func(string) string) kong.ResolverFunc {
	return func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := flag.Tag.Get("getenv")
		if name == "" {
			return nil, nil
		}
		if value := getenv(name); value != "" {
			return value, nil
		}
		return nil, nil
	}
}
