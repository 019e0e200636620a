package main

import (
	"context"

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
	Listen string `help:"Where it takes RTMP." default:"127.0.0.1:1935" placeholder:"ADDR"`
	Report string `help:"Where GET /sessions tells what it has received." default:"127.0.0.1:8082" placeholder:"ADDR"`
}

// Run serves until it is told to end.
func (r *stageRoomCmd) Run(ctx context.Context, e env) error {
	var keys config.SDKKeys
	if err := keys.UnmarshalText([]byte(e.getenv("ROOMCAST_SDK_KEYS"))); err != nil {
		return usage("ROOMCAST_SDK_KEYS: %w", err)
	}
	return stage.Room(ctx, stage.RoomConfig{Listen: r.Listen, Report: r.Report, Keys: keys, Log: e.screen})
}

type stageFilesCmd struct {
	Dir    string `arg:"" help:"The folder."`
	Listen string `help:"Where it takes HTTP." default:"127.0.0.1:8090" placeholder:"ADDR"`
}

// Run serves until it is told to end.
func (f *stageFilesCmd) Run(ctx context.Context) error { return stage.Files(ctx, f.Listen, f.Dir) }

type stageClipCmd struct {
	Out     string `arg:"" help:"The file to make."`
	Seconds int    `help:"How long it is." default:"60" placeholder:"N"`
}

// Run makes the clip.
func (c *stageClipCmd) Run(ctx context.Context) error { return demo.WriteClip(ctx, c.Out, c.Seconds) }
