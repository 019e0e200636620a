package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/client"
	"github.com/roomcast/roomcast/media"
)

// optionFlags is what a push may ask of the playing.
type optionFlags struct {
	StartAt     span `field:"startAtMs" help:"Play from here on: 90, 1:30 or 1m30s." placeholder:"TIME"`
	EndAt       span `field:"endAtMs" help:"Play up to here." placeholder:"TIME"`
	Repeat      int  `field:"repeat" help:"Play it so often; -1 is for ever."`
	MaxDuration span `field:"maxDurationSec" help:"Leave the room after so long." placeholder:"TIME"`
	MaxIdle     span `field:"maxIdleSec" help:"How long a live source may be away." placeholder:"TIME"`

	Volume    *int    `field:"volume" help:"How loud, in percent: 0 to 200." placeholder:"N"`
	Mute      bool    `field:"mute" help:"Send silence."`
	Transcode string  `field:"transcode" help:"Re-encode: ${enum}." enum:"auto,never,always" default:"auto"`
	Width     int     `field:"width" help:"The picture's width in pixels, even." placeholder:"N"`
	Height    int     `field:"height" help:"Its height; one of the two keeps the shape." placeholder:"N"`
	FPS       float64 `field:"fps" name:"fps" help:"Frames per second." placeholder:"N"`
	VideoKbps int64   `field:"videoKbps" help:"Bit rate of a picture that is re-encoded." placeholder:"N"`
	AudioKbps int64   `field:"audioKbps" help:"Bit rate of sound that is re-encoded." placeholder:"N"`
	FillAudio bool    `field:"fillAudio" help:"Send silence for a source without sound." negatable:"" default:"true"`
	FillVideo bool    `field:"fillVideo" help:"Send black for a source without a picture."`

	AudioTrack string `field:"audioTrack" help:"Which of the source's sounds: a number, counted from 0, or a language such as de." placeholder:"TRACK"`
	Program    int    `field:"programNumber" help:"Which program of a transport stream, by its number." placeholder:"N"`
	AudioDelay span   `field:"audioDelayMs" help:"Lip sync: so much later the sound; -200ms is earlier." placeholder:"TIME"`

	Header      []string `field:"headers" help:"A header for the source's server, as in \"Accept: video/mp4\"; may be repeated. Everybody on the machine can read it: see --headers-file." sep:"none" placeholder:"LINE"`
	HeadersFor  string   `field:"headersFor" help:"Where they go: ${enum}. all sends Referer, Origin and User-Agent to every host of the source." enum:"origin,all" default:"origin"`
	HeadersFile string   `help:"A file of such lines, for tokens." placeholder:"FILE"`
}

func (f *optionFlags) options() client.PushOptions {
	w := client.PushOptions{
		StartAtMs: f.StartAt.milliseconds(), EndAtMs: f.EndAt.milliseconds(), Repeat: f.Repeat,
		MaxDurationSec: f.MaxDuration.seconds(), MaxIdleSec: f.MaxIdle.seconds(), Volume: f.Volume, Mute: f.Mute,
		Width: f.Width, Height: f.Height, FPS: f.FPS, VideoKbps: f.VideoKbps, AudioKbps: f.AudioKbps, FillVideo: f.FillVideo,
		AudioTrack: f.AudioTrack, ProgramNumber: f.Program, AudioDelayMs: f.AudioDelay.milliseconds(),
	}
	if mode := media.TranscodeMode(f.Transcode); mode != media.TranscodeAuto {
		w.Transcode = mode
	}
	if f.HeadersFor != "origin" {
		w.HeadersFor = client.HeadersFor(f.HeadersFor)
	}
	if !f.FillAudio {
		w.FillAudio = &f.FillAudio
	}
	return w
}

// headers returns those of the command line and of the file. Its errors show
// none of them.
func (f *optionFlags) headers() (map[string]media.Secret, error) {
	lines := f.Header
	if f.HeadersFile != "" {
		text, err := os.ReadFile(f.HeadersFile)
		if err != nil {
			return nil, usage("--headers-file: read the headers: %w", err)
		}
		lines = append(lines[:len(lines):len(lines)], strings.Split(string(text), "\n")...)
	}
	headers := map[string]media.Secret{}
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usage(`--header: a header must look like "Name: value"`)
		}
		if _, twice := headers[name]; twice {
			return nil, usage("--header: the header %s is given twice", name)
		}
		headers[name] = media.Secret(strings.TrimSpace(value))
	}
	return headers, nil
}

// optionsOf says in words what a push was asked for; empty for nothing special.
func optionsOf(p client.Push) string {
	var parts []string
	add := func(asked bool, format string, args ...any) {
		if asked {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(p.StartAtMs > 0, "from %v", time.Duration(p.StartAtMs)*time.Millisecond)
	add(p.EndAtMs > 0, "to %v", time.Duration(p.EndAtMs)*time.Millisecond)
	add(p.Repeat > 0, "%d times", p.Repeat)
	add(p.Repeat < 0, "for ever")
	add(p.MaxDurationSec > 0, "for at most %v", time.Duration(p.MaxDurationSec)*time.Second)
	add(p.MaxIdleSec > 0, "may be away for %v", time.Duration(p.MaxIdleSec)*time.Second)
	add(p.Volume != nil, "volume %d %%", deref(p.Volume))
	add(p.Mute, "mute")
	add(p.Transcode != "", "transcode %s", p.Transcode)
	add(p.Width > 0, "width %d", p.Width)
	add(p.Height > 0, "height %d", p.Height)
	add(p.FPS > 0, "%g fps", p.FPS)
	add(p.VideoKbps > 0, "video %d kb/s", p.VideoKbps)
	add(p.AudioKbps > 0, "audio %d kb/s", p.AudioKbps)
	add(p.FillAudio != nil && !*p.FillAudio, "no silence filled in")
	add(p.FillVideo, "black filled in")
	add(p.AudioTrack != "", "audio track %s", p.AudioTrack)
	add(p.ProgramNumber > 0, "program %d", p.ProgramNumber)
	add(p.AudioDelayMs > 0, "sound %d ms later", p.AudioDelayMs)
	add(p.AudioDelayMs < 0, "sound %d ms earlier", -p.AudioDelayMs)
	add(len(p.Headers) > 0, "headers %s", strings.Join(p.Headers, " "))
	add(p.HeadersFor != "", "headers for %s", p.HeadersFor)
	return strings.Join(parts, ", ")
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}
