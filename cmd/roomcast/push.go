package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// maxSecretLine bounds what is read of a file that holds one line.
const maxSecretLine = 8 << 10

// sourceFlags say what is to be played, and who publishes it.
type sourceFlags struct {
	Src string `arg:"" field:"videoSrc" help:"The video: an http(s) file or playlist, or an rtmp(s) stream; - reads the address from standard input, which keeps its tokens out of the process list."`
	App uint32 `field:"sdkAppId" or:"ROOMCAST_APP" help:"The SDKAppID (ROOMCAST_APP)." getenv:"ROOMCAST_APP"`

	UsersigFile string `field:"userSig" or:"ROOMCAST_USERSIG" help:"A file whose first line is the UserSig; - is standard input. Else it is taken from ROOMCAST_USERSIG; without one the server mints it, if it has the app's key." placeholder:"FILE"`

	Redis            bool   `field:"redis" help:"Start where the last push of this source left off."`
	RedisHost        string `field:"redisHost" help:"Where that is remembered, if not in the server's own Redis."`
	RedisPort        int    `field:"redisPort" help:"Its port."`
	RedisPasswordEnv string `field:"redisPassword" help:"The variable that holds its password." placeholder:"NAME"`
	Mode             string `field:"mode" help:"Play as: ${enum}." enum:"auto,vod,live" default:"auto"`
	ResumeScope      string `field:"resumeScope" help:"Who shares what is remembered: ${enum}." enum:"source,room" default:"source"`

	ResumeKey string `field:"resumeKey" help:"A name for what is remembered, instead of the source's address."`

	Metadata       client.Metadata      `field:"metadata" help:"A label of yours; may be repeated." mapsep:"none" placeholder:"NAME=VALUE"`
	CallbackURL    string               `name:"callback-url" field:"callbackUrl" help:"Where webhooks about it go." placeholder:"URL"`
	CallbackEvents []client.WebhookType `field:"callbackEvents" help:"Which ones, with commas: push.started,push.failed." placeholder:"TYPES"`

	Options optionFlags `embed:""`
}

type pushCmd struct {
	Room   string      `required:"" field:"roomId" help:"The room's string id."`
	User   string      `required:"" field:"userId" help:"Who publishes; unique in the app."`
	Source sourceFlags `embed:""`

	IdempotencyKey string `help:"A word of yours; the same one again finds the first push instead of starting another."`
	Detach         bool   `short:"d" help:"Print the id and leave."`
}

// Run starts the push and follows it.
func (p *pushCmd) Run(ctx context.Context, e env, c *client.Client) error {
	r, err := p.Source.request(e, p.Room, p.User)
	if err != nil {
		return err
	}
	started, err := c.Start(ctx, r, p.IdempotencyKey)
	switch {
	case err != nil:
		return err
	case p.Detach && e.json:
		return follow.Encode(e.screen, started)
	case p.Detach:
		e.printf("%s\n", started.ID)
		return nil
	case !e.json:
		e.printf("push %s: %s to room %s as %s; Ctrl-C stops it\n", started.ID, started.VideoSrc, started.RoomID, started.UserID)
	}
	last, err := follow.Run(ctx, c, started.ID, e.view())
	failure := follow.FailureOf(last)
	if failure != nil {
		failure = errors.New(pictureFlags.Replace(failure.Error()))
	}
	if err != nil || ctx.Err() != nil { // that stop was our own
		return errors.Join(err, failure)
	}
	return errors.Join(failure, stopped(last))
}

type checkCmd struct {
	Room   string      `field:"roomId" default:"check" help:"The room's string id."`
	User   string      `field:"userId" default:"check" help:"Who would publish."`
	Source sourceFlags `embed:""`
}

// Run asks what the push would be. One that would fail is an error.
func (c *checkCmd) Run(ctx context.Context, e env, api *client.Client) error {
	r, err := c.Source.request(e, c.Room, c.User)
	if err != nil {
		return err
	}
	p, err := api.Check(ctx, r)
	if err != nil {
		return err
	}
	if e.json {
		if err := follow.Encode(e.screen, p); err != nil {
			return err
		}
	} else {
		e.describe(p, nil)
	}
	switch {
	case p.Error == nil && p.Source != nil && p.Trouble == nil && !e.json:
		e.printf("a push of it would play\n")
	case p.Error == nil && p.Source == nil && !e.json:
		e.printf("a push of it would be taken; nobody has looked at the source\n")
	case p.Error != nil:
		return fmt.Errorf("a push of it would fail: %s [%s]", pictureFlags.Replace(client.Printable(p.Error.Message)), p.Error.Code)
	}
	return nil
}

func (s *sourceFlags) request(e env, room, user string) (client.Request, error) {
	r := client.Request{
		VideoSrc: media.Secret(s.Src), SDKAppID: s.App, RoomID: room, UserID: user,
		UserSig: media.Secret(e.getenv("ROOMCAST_USERSIG")),
		Redis:   s.Redis, RedisHost: s.RedisHost, RedisPort: s.RedisPort,
		Mode: media.SourceMode(s.Mode), ResumeScope: tasks.ResumeScope(s.ResumeScope), ResumeKey: s.ResumeKey, PushOptions: s.Options.options(),
		Metadata: s.Metadata, CallbackURL: media.Secret(s.CallbackURL), CallbackEvents: s.CallbackEvents,
	}
	var err error
	if r.Headers, err = s.Options.headers(); err != nil {
		return r, err
	}
	if s.Src == "-" && s.UsersigFile == "-" {
		return r, usage("SRC and --usersig-file cannot both come from standard input")
	}
	if isPath(s.Src) {
		return r, usage("SRC: %s is a file of this machine, which a worker does not read: roomcast demo FILE plays one, and roomcast stage files DIR serves a folder", s.Src)
	}
	if s.Src == "-" {
		if r.VideoSrc, err = firstLine("-"); err != nil {
			return r, usage("SRC: read the source's address: %w", err)
		}
	}
	if s.UsersigFile != "" {
		if r.UserSig, err = firstLine(s.UsersigFile); err != nil {
			return r, usage("--usersig-file: read the UserSig: %w", err)
		}
	}
	if name := s.RedisPasswordEnv; name != "" {
		if r.RedisPassword = media.Secret(e.getenv(name)); r.RedisPassword == "" {
			return r, usage("--redis-password-env: %s is not set", name)
		}
	}
	return r, nil
}

// isPath says whether a source is meant as a file.
func isPath(src string) bool {
	if strings.Contains(src, "://") || src == "-" {
		return false
	}
	if strings.HasPrefix(src, "/") || strings.HasPrefix(src, "./") || strings.HasPrefix(src, "../") {
		return true
	}
	_, err := os.Stat(src)
	return err == nil
}

// firstLine reads the first line of a file; "-" is standard input.
func firstLine(path string) (media.Secret, error) {
	if path == "-" {
		path = "/dev/stdin"
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	line, err := bufio.NewReader(io.LimitReader(f, maxSecretLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", errors.New("its first line is empty")
	}
	return media.Secret(line), nil
}
