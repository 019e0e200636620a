package media

import "time"

// Options is what a request may ask of the playing beyond source and room. The
// zero value asks for nothing special.
type Options struct {
	// StartAt and EndAt bound the part of the source to play, counted from its
	// start; an EndAt of 0 is its end.
	StartAt, EndAt time.Duration
	Repeat         int           // how often to play it; 0 and 1: once, -1: for ever
	MaxDuration    time.Duration // of the push in the room, all attempts together; 0: no limit
	Transcode      TranscodeMode // empty: auto
	Video          VideoWish     // zero fields: the plan decides
	Audio          AudioWish
	FillAudio      bool // silence where the source has no audio
	FillVideo      bool // black where it has no video
}

// TranscodeMode says whether tracks may, or must, be re-encoded.
type TranscodeMode string

// The modes of a request. TranscodeAuto re-encodes what the room does not take.
const (
	TranscodeAuto   TranscodeMode = "auto"
	TranscodeNever  TranscodeMode = "never"
	TranscodeAlways TranscodeMode = "always"
)

// VideoWish is what a request asks of the picture.
type VideoWish struct {
	Width, Height int // pixels; one alone keeps the shape
	FPS           float64
	Bitrate       BitsPerSecond
}

// AudioWish is what a request asks of the sound.
type AudioWish struct {
	Bitrate   BitsPerSecond
	Volume    int  // percent, 0 to 200; means something only with VolumeSet
	VolumeSet bool // without it the volume stays as it is
	Mute      bool
}

// volume returns the asked volume in percent.
func (w AudioWish) volume() int {
	switch {
	case w.Mute:
		return 0
	case w.VolumeSet:
		return w.Volume
	default:
		return 100
	}
}
