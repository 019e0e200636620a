package view

import (
	"time"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/tasks"
)

// options is what a push was asked for beyond source and room, by the names of
// the request. What is as it is without asking has no member.
type options struct {
	StartAtMs      int64               `json:"startAtMs,omitempty"`
	EndAtMs        int64               `json:"endAtMs,omitempty"`
	Repeat         int                 `json:"repeat,omitempty"`
	MaxDurationSec int64               `json:"maxDurationSec,omitempty"`
	MaxIdleSec     int64               `json:"maxIdleSec,omitempty"`
	Volume         *int                `json:"volume,omitempty"`
	Mute           bool                `json:"mute,omitempty"`
	Transcode      media.TranscodeMode `json:"transcode,omitempty"`
	Width          int                 `json:"width,omitempty"`
	Height         int                 `json:"height,omitempty"`
	FPS            float64             `json:"fps,omitempty"`
	VideoKbps      int64               `json:"videoKbps,omitempty"`
	AudioKbps      int64               `json:"audioKbps,omitempty"`
	FillAudio      *bool               `json:"fillAudio,omitempty"`
	FillVideo      bool                `json:"fillVideo,omitempty"`
	AudioTrack     string              `json:"audioTrack,omitempty"`
	ProgramNumber  int                 `json:"programNumber,omitempty"`
	AudioDelayMs   int64               `json:"audioDelayMs,omitempty"`
	Headers        []string            `json:"headers,omitempty"` // names; their values are secrets
	HeadersFor     string              `json:"headersFor,omitempty"`
}

func viewOptions(s tasks.Spec) options {
	o := s.Options
	w := options{
		StartAtMs: o.StartAt.Milliseconds(), EndAtMs: o.EndAt.Milliseconds(),
		MaxDurationSec: int64(o.MaxDuration / time.Second), Mute: o.Audio.Mute,
		Width: o.Video.Width, Height: o.Video.Height, FPS: o.Video.FPS,
		VideoKbps: int64(o.Video.Bitrate) / 1000, AudioKbps: int64(o.Audio.Bitrate) / 1000,
		FillVideo: o.FillVideo, Headers: s.HeaderNames,
		AudioTrack: o.Choice.Audio, ProgramNumber: o.Choice.Program, AudioDelayMs: o.AudioDelay.Milliseconds(),
	}
	if s.HeadersForAll {
		w.HeadersFor = "all"
	}
	if !o.PlaysOnce() {
		w.Repeat = o.Repeat
	}
	if s.MaxIdle != tasks.DefaultMaxIdle {
		w.MaxIdleSec = int64(s.MaxIdle / time.Second)
	}
	if o.Audio.VolumeSet {
		w.Volume = &o.Audio.Volume
	}
	if o.Transcode != media.TranscodeAuto {
		w.Transcode = o.Transcode
	}
	if !o.FillAudio {
		w.FillAudio = &o.FillAudio
	}
	return w
}
