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

type pushCmd struct {
	Src  string `arg:"" help:"The video: an http(s) file or playlist, or an rtmp(s) stream; - reads the address from standard input, which keeps its tokens out of the process list."`
	Room string `required:"" help:"The room's string id."`
	User string `required:"" help:"Who publishes; unique in the app."`
	App  uint32 `help:"The SDKAppID (ROOMCAST_APP)." getenv:"ROOMCAST_APP"`

	UsersigFile string `help:"A file whose first line is the UserSig; - is standard input. Else it is taken from ROOMCAST_USERSIG; without one the server mints it, if it has the app's key." placeholder:"FILE"`

	Redis            bool   `help:"Start where the last push of this source left off."`
	RedisHost        string `help:"Where that is remembered, if not in the server's own Redis."`
	RedisPort        int    `help:"Its port."`
	RedisPasswordEnv string `help:"The variable that holds its password." placeholder:"NAME"`
	Mode             string `help:"Play as: ${enum}." enum:"auto,vod,live" default:"auto"`
	ResumeScope      string `help:"Who shares what is remembered: ${enum}." enum:"source,room" default:"source"`

	ResumeKey string `help:"A name for what is remembered, instead of the source's address."`

	Wishes wishFlags `embed:""`

	IdempotencyKey string `help:"A word of yours; the same one again finds the first push instead of starting another."`
	Detach         bool   `short:"d" help:"Print the id and leave."`
}

// Run starts the push and follows it.
func (p *pushCmd) Run(ctx context.Context, e env) error {
	r, err := p.request(e)
	if err != nil {
		return err
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	defer c.CloseIdle()
	started, err := c.Start(ctx, r, p.IdempotencyKey)
	if err != nil {
		return err
	}
	if p.Detach {
		e.printf("%s\n", started.ID)
		return nil
	}
	e.printf("push %s: %s to room %s as %s; Ctrl-C stops it\n", started.ID, started.VideoSrc, started.RoomID, started.UserID)
	last, err := follow.Run(ctx, c, started.ID, follow.NewView(e.stdout))
	if err != nil {
		return err
	}
	return follow.Verdict(last)
}

func (p *pushCmd) request(e env) (client.Request, error) {
	r := client.Request{
		VideoSrc: media.Secret(p.Src), SDKAppID: p.App, RoomID: p.Room, UserID: p.User,
		UserSig: media.Secret(e.getenv("ROOMCAST_USERSIG")),
		Redis:   p.Redis, RedisHost: p.RedisHost, RedisPort: p.RedisPort,
		Mode: media.SourceMode(p.Mode), ResumeScope: tasks.ResumeScope(p.ResumeScope), ResumeKey: p.ResumeKey, Wishes: p.Wishes.wishes(),
	}
	var err error
	if r.Headers, err = p.Wishes.headers(); err != nil {
		return r, err
	}
	if p.Src == "-" && p.UsersigFile == "-" {
		return r, errors.New("the source and the UserSig cannot both come from standard input")
	}
	if p.Src == "-" {
		if r.VideoSrc, err = firstLine("-"); err != nil {
			return r, fmt.Errorf("read the source's address: %w", err)
		}
	}
	if p.UsersigFile != "" {
		if r.UserSig, err = firstLine(p.UsersigFile); err != nil {
			return r, fmt.Errorf("read the UserSig: %w", err)
		}
	}
	if name := p.RedisPasswordEnv; name != "" {
		if r.RedisPassword = media.Secret(e.getenv(name)); r.RedisPassword == "" {
			return r, fmt.Errorf("--redis-password-env: %s is not set", name)
		}
	}
	return r, nil
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
