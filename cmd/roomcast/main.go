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
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/cmd/roomcast/screen"
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
// machine can read a process list. A field tag names the field of a request
// that a flag sets.
type cli struct {
	API         string           `help:"The API's address (ROOMCAST_API). Its key is taken from ROOMCAST_API_KEY." getenv:"ROOMCAST_API" default:"http://127.0.0.1:8080" placeholder:"URL"`
	JSON        bool             `name:"json" help:"Print JSON, an object a line."`
	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`

	Push     pushCmd     `cmd:"" help:"Put a video into a room and follow it. Ctrl-C stops it."`
	Check    checkCmd    `cmd:"" help:"Look at a video and say what a push of it would do. Nothing is started; it needs the app and the signature that a push needs."`
	Ls       lsCmd       `cmd:"" help:"List pushes, newest first."`
	Show     showCmd     `cmd:"" help:"Show a push and what happened to it."`
	Watch    watchCmd    `cmd:"" help:"Follow a push, or all of them. Ctrl-C leaves them running."`
	Events   eventsCmd   `cmd:"" help:"Print what happened to a push, and with -f what happens."`
	Stop     stopCmd     `cmd:"" help:"Stop pushes."`
	Webhooks webhooksCmd `cmd:"" help:"The webhooks that could not be delivered."`
	Usersig  usersigCmd  `cmd:"" help:"Print a UserSig, made with the app's key from ROOMCAST_SDK_KEY, or ROOMCAST_SDK_KEYS (appid=key,…)."`
	Doctor   doctorCmd   `cmd:"" help:"Say whether the API can be reached and works, and what to do if not."`
	Demo     demoCmd     `cmd:"" help:"Run everything on this machine: Redis, a stand-in room, API, worker, and a push of a file of yours or a sample clip."`
	Stage    stageCmd    `cmd:"" help:"The demo's parts, each by itself."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
	Help     helpCmd     `cmd:"" help:"Print the help of a command, or all of them."`
}

type helpCmd struct {
	Command []string `arg:"" optional:"" help:"The command."`
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e env) error {
	if e.json {
		return follow.Encode(e.screen, map[string]string{"version": process.Version()})
	}
	e.printf("%s\n", process.Version())
	return nil
}

// env is what commands work with.
type env struct {
	getenv func(string) string
	screen *screen.Screen
	stderr io.Writer
	api    string
	json   bool
}

// client returns a client of the API named on the command line.
func (e env) client() (*client.Client, error) {
	c, err := client.New(e.api, media.Secret(e.getenv("ROOMCAST_API_KEY")))
	if err != nil {
		return nil, usage("--api (ROOMCAST_API): %w", err)
	}
	return c, nil
}

// printf prints to a person: without what a terminal takes as a command.
func (e env) printf(format string, args ...any) {
	fmt.Fprint(e.screen, e.screen.Wrap(client.Printable(fmt.Sprintf(format, args...)), 2))
}

// note prints to a person beside what is printed.
func (e env) note(format string, args ...any) {
	text := client.Printable(fmt.Sprintf(format, args...))
	fmt.Fprintln(e.stderr, screen.New(e.stderr, e.getenv).Wrap(text, 2))
}

// view shows a push as the command line asks for it.
func (e env) view() follow.View {
	if e.json {
		return follow.NewJSON(e.screen, e.stderr)
	}
	return follow.NewView(e.screen)
}

// run runs a command line. Its error has an ExitCode and fits stderr.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	err := runCommand(ctx, args, getenv, stdout, stderr)
	if err == nil {
		return nil
	}
	return exit{err: err, code: exitCode(err), text: screen.New(stderr, getenv).Wrap(err.Error(), 2)}
}

func runCommand(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var c cli
	done := false // --help or --version has printed what was asked for
	parser, err := kong.New(&c,
		kong.Name("roomcast"),
		kong.Description("Puts a video into a TRTC room.\n\nExit codes: 0 done, 2 usage, 3 failed, 4 the API cannot be reached, 5 somebody stopped the push."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { done = true }),
		kong.Vars{"version": process.Version(), "id": idHelp},
		kong.Resolvers(fromEnvironment(getenv)),
	)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(args[1:len(args):len(args)], "--help")
	}
	command, err := parser.Parse(args)
	if done {
		return nil
	}
	if err != nil {
		at := parser.Model.Node
		if e, ok := err.(*kong.ParseError); ok && e.Context.Selected() != nil { //nolint:errorlint // kong returns it as it is
			at = e.Context.Selected()
		}
		return fmt.Errorf("%w %s", err, help(at))
	}
	e := env{getenv: getenv, screen: screen.New(stdout, getenv), stderr: stderr, api: c.API, json: c.JSON}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.BindToProvider(e.client) // of commands that ask for one
	if err == nil {
		err = command.Run(e)
	}
	return inFlags(err, command.Selected())
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
