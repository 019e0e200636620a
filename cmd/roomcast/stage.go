package main

import (
	"context"
	"os"

	"github.com/roomcast/roomcast/cmd/roomcast/demo"
	"github.com/roomcast/roomcast/cmd/roomcast/stage"
	"github.com/roomcast/roomcast/internal/config"
)

type stageCmd struct {
	Room  stageRoomCmd  `cmd:"" help:"Serve a stand-in room, for the applications in ROOMCAST_SDK_KEYS."`
	Files stageFilesCmd `cmd:"" help:"Serve a folder over HTTP."`
	Clip  stageClipCmd  `cmd:"" help:"Make the sample clip, with ffmpeg."`
}

type stageRoomCmd struct {
	Listen string `help:"Where it takes RTMP, ${default} if not given." default:"127.0.0.1:1935" placeholder:"ADDR"`
	Report string `help:"Where GET /sessions tells what it has received, ${default} if not given." default:"127.0.0.1:8082" placeholder:"ADDR"`
}

// Run serves until it is told to end.
func (r *stageRoomCmd) Run(ctx context.Context, e env) error {
	var keys config.SDKKeys
	if err := keys.UnmarshalText([]byte(e.getenv("ROOMCAST_SDK_KEYS"))); err != nil {
		return usage("ROOMCAST_SDK_KEYS: %w", err)
	}
	ready := func(room string) {
		e.printf("the room is at %s, what it has received at http://%s/sessions\nAPI and worker play into it with this, and the same ROOMCAST_SDK_KEYS:\n  export ROOMCAST_RTMP_ENDPOINT=%s\n", room, r.Report, room)
	}
	return stage.Room(ctx, stage.RoomConfig{Listen: r.Listen, Report: r.Report, Keys: keys, Log: e.screen, Ready: ready})
}

type stageFilesCmd struct {
	Dir    string `arg:"" help:"The folder."`
	Listen string `help:"Where it takes HTTP, ${default} if not given." default:"127.0.0.1:8090" placeholder:"ADDR"`
}

// Run serves until it is told to end.
func (f *stageFilesCmd) Run(ctx context.Context, e env) error {
	if info, err := os.Stat(f.Dir); err != nil {
		return usage("DIR: %w", err)
	} else if !info.IsDir() {
		return usage("DIR: %s is no folder", f.Dir)
	}
	return stage.Files(ctx, f.Listen, f.Dir, func(addr string) {
		e.printf("%s is at http://%s/\nAPI and worker take sources from there with this:\n  export ROOMCAST_SOURCE_ALLOW=%s\n", f.Dir, addr, addr)
	})
}

type stageClipCmd struct {
	Out     string `arg:"" help:"The file to make."`
	Seconds int    `help:"How long it is, in seconds, ${default} if not given." default:"60" placeholder:"N"`
}

// Run makes the clip.
func (c *stageClipCmd) Run(ctx context.Context) error { return demo.WriteClip(ctx, c.Out, c.Seconds) }
