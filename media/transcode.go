package media

import (
	"context"
	"log/slog"
	"time"
)

// VideoOutput says what re-encoded video is to be. It is the same for a whole
// push: a room's picture keeps its size.
type VideoOutput struct {
	// Width and Height are pixels, both even. A picture of another shape is
	// fitted in and padded with black.
	Width, Height int
	FPS           float64 // at most; a slower source, or one that varies, keeps its times
	Bitrate       BitsPerSecond
	KeyInterval   time.Duration // from keyframe to keyframe, at most
}

// AudioOutput says what re-encoded audio is to be: AAC-LC.
type AudioOutput struct {
	SampleRate int // hertz
	Channels   int // 1 or 2
	Bitrate    BitsPerSecond
	Volume     int // percent: 100 leaves it, 0 is silence, 200 at most
}

// Transcoder re-encodes one track. What comes out is one stream for the whole
// life of the Transcoder, however often the input changes. Its methods are
// called from one goroutine.
//
// Packets go in with the room's times (DTS rises; PTS may be missing), in the
// order of decoding, with data as the source carries it; they come out with
// the room's times in the order of PTS, DTS equal to PTS, in FLV's form.
type Transcoder interface {
	Coder
	Trimmer
	CoderInfo
	Close()
}

// Coder is what packets go into, and come out of.
type Coder interface {
	// Input says that the packets from here on are of another track: of a
	// source opened anew, or with other parameters. What the old decoder still
	// held comes out.
	Input(t Track) ([]Packet, error)
	// Transcode takes one packet and returns what is ready, which may be
	// nothing. A picture that is shown again in a hole of the source comes out as
	// Held. A packet that cannot be decoded is skipped up to the next
	// keyframe and counted by Damaged; an error is the end of the Transcoder.
	Transcode(p Packet) ([]Packet, error)
	// Repeat shows at t (room time), once more, the picture that was shown last
	// or, where nothing has come out since SkipBefore, that which was decoded
	// last. Nothing comes out where there is none, or a later one was shown; what
	// is decoded afterwards must be later than t. Audio ignores it.
	Repeat(t time.Duration) ([]Packet, error)
	// Flush returns what is still inside; the Transcoder can go on after it.
	Flush() ([]Packet, error)
}

// Trimmer says of what goes into a Coder next from where to where it comes out, and where
// viewers can begin.
type Trimmer interface {
	// SkipBefore leaves out everything that is shown or heard before t (room
	// time): decoded, but not encoded.
	SkipBefore(t time.Duration)
	// SkipFrom leaves out everything that is shown or heard at t (room time) or
	// later, until it is called again; 0 leaves out nothing.
	SkipFrom(t time.Duration)
	// ForceKey makes the next picture that comes out a keyframe. Audio ignores
	// it.
	ForceKey()
}

// CoderInfo tells of a Coder's work.
type CoderInfo interface {
	// Output describes what comes out, Extradata in FLV's form included. It is
	// known from the start and does not change.
	Output() Track
	// Damaged returns how many packets could not be decoded since it was asked
	// last.
	Damaged() int64
}

// Transcoders makes Transcoders. Errors are *Error: KindSourceUnsupported
// where there is no decoder for the track.
type Transcoders interface {
	Video(t Track, to VideoOutput) (Transcoder, error)
	Audio(t Track, to AudioOutput) (Transcoder, error)
	// Black returns a track of black pictures and one group of its packets,
	// times from zero, Duration set, that can be sent over and over.
	Black(to VideoOutput) (Track, []Packet, error)
	// With returns the Transcoders of one push, whose calls end with ctx: log receives
	// what is said of their work, and c is how its source has behaved; it may be nil.
	With(ctx context.Context, log *slog.Logger, c *Conduct) Transcoders
}
