package media

import "time"

// Options is what a request may ask of the playing beyond source and room. The
// zero value asks for nothing special.
type Options struct {
	// StartAt and EndAt are the part of the source to play, from its start;
	// EndAt 0 is its end. A live source has no parts.
	StartAt, EndAt time.Duration `json:",omitzero"`
	Repeat         int           `json:",omitzero"` // how often to play it; 0 and 1: once, RepeatForever: for ever
	MaxDuration    time.Duration `json:",omitzero"` // of the push in the room, all attempts together; 0: no limit
	Transcode      TranscodeMode `json:",omitzero"` // "" is auto
	Video          VideoOptions  `json:",omitzero"`
	Audio          AudioOptions  `json:",omitzero"`
	FillAudio      bool          `json:",omitzero"` // silence for a source without sound
	FillVideo      bool          `json:",omitzero"` // black for a source without a picture
	Choice         TrackChoice   `json:",omitzero"`
	AudioDelay     time.Duration `json:",omitzero"` // by how much later the sound is heard; below zero: earlier
}

// RepeatForever as Options.Repeat has no last time.
const RepeatForever = -1

// PlaysOnce says whether the source is not repeated.
func (o Options) PlaysOnce() bool { return o.Repeat == 0 || o.Repeat == 1 }

// TranscodeMode says when a track is re-encoded.
type TranscodeMode string

// The modes of a request. Auto re-encodes what the room does not take as it
// is, and what the options change.
const (
	TranscodeAuto   TranscodeMode = "auto"
	TranscodeNever  TranscodeMode = "never"
	TranscodeAlways TranscodeMode = "always"
)

// VideoOptions is what a request asks of the picture; the plan decides what is
// zero.
type VideoOptions struct {
	Width, Height int           `json:",omitzero"` // pixels; one alone keeps the shape
	FPS           float64       `json:",omitzero"`
	Bitrate       BitsPerSecond `json:",omitzero"`
}

// AudioOptions is what a request asks of the sound.
type AudioOptions struct {
	Bitrate   BitsPerSecond `json:",omitzero"` // 0: the plan decides
	Volume    int           `json:",omitzero"` // percent: 100 leaves it, 0 is silence; only with VolumeSet
	VolumeSet bool          `json:",omitzero"`
	Mute      bool          `json:",omitzero"` // silence, whatever Volume is
}

// Percent is how loud the sound is to be: 100 leaves it, 0 is silence.
func (w AudioOptions) Percent() int {
	switch {
	case w.Mute:
		return 0
	case w.VolumeSet:
		return w.Volume
	}
	return 100
}
