package media

import "time"

// One AAC-LC frame of silence, 48 kHz stereo, as FLV carries it, and the
// AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) it goes with, which is the one
// of re-encoded audio of that form.
const (
	SilentAAC         = "\x21\x10\x04\x60\x8c\x1c"
	SilentAACConfig   = "\x11\x90\x56\xe5\x00"
	SilentAACDuration = 1024 * time.Second / 48000
)
