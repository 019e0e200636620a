package media

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/roomcast/roomcast/media/offheap"
)

// MediaType is what a track carries.
type MediaType uint8

// The media types Roomcast moves; a source's other tracks are left out.
const (
	Video MediaType = iota
	Audio
)

func (m MediaType) String() string {
	if m == Video {
		return "video"
	}
	return "audio"
}

// Codec is a codec's name as FFmpeg writes it: "h264", "aac", "hevc".
type Codec string

// The codecs that have a meaning to a room's Rules.
const (
	H264 Codec = "h264"
	AAC  Codec = "aac"
)

// BitsPerSecond is a bit rate.
type BitsPerSecond int64

// Track describes one stream of a source.
type Track struct {
	Type    MediaType
	Codec   Codec
	Profile string // as FFmpeg names it: "High", "LC"; empty when unknown
	Bitrate BitsPerSecond
	// Extradata is the decoder configuration as the container carries it:
	// avcC or Annex B for H.264, AudioSpecificConfig or nothing for AAC.
	Extradata []byte

	Width, Height int     // pixels, video only
	FPS           float64 // frames per second, 0 when unknown, video only
	PixelFormat   string  // as FFmpeg names it: "yuv420p"; video only
	Display               // video only
	// Interlaced says that the pictures are of two fields, one after the other;
	// video only.
	Interlaced bool
	// HDR says that the transfer function is PQ or HLG; video only.
	HDR        bool
	SampleRate int // hertz, audio only
	Channels   int // audio only
	DecoderHints
}

// Display is what a player does with a picture before it shows it.
type Display struct {
	// Pixels is the shape of the picture's pixels before it is turned.
	// PixelsFixed says that the container tells it, whatever the pictures do.
	Pixels      PixelShape
	PixelsFixed bool
	// Mirrored says that left and right are to change places, Rotation by how many
	// degrees the picture has to be turned clockwise after that: 0, 90, 180 or 270.
	Mirrored bool
	Rotation int
}

// DecoderHints are what some decoders have to be told besides, as the container says
// it, 0 where it says nothing.
type DecoderHints struct {
	BlockAlign    int // bytes, audio only
	BitsPerSample int // as coded
	CodecTag      uint32
}

// SourceInfo is what a source turned out to be.
type SourceInfo struct {
	Container string        // FFmpeg's short name: "mov,mp4,m4a,3gp,3g2,mj2", "flv"
	Live      bool          // has no end we know of and cannot be sought
	Still     bool          // a picture: it has no end, and can be sought
	Duration  time.Duration // 0 when unknown
	StartTime time.Duration // timestamp of the first packet; positions count from here
	Tracks    []Track       // the chosen ones: at most one video, at most one audio
	Streams   []Stream      // all that were found
	// Retimed says that the container wants parts of it at another speed, or to
	// stand (an edit list), which they are not.
	Retimed bool
}

// Stream is one of all that a source holds, for people to choose from. Its texts
// are the source's own.
type Stream struct {
	Type            string // video, audio, subtitle or data
	Codec           Codec
	Language, Title string
	Channels        int  // of audio, 0 when unknown
	Default         bool // the container prefers it
	Program         int  // number of the transport stream's program it is in; 0: none
	AudioTrack      int  // of audio: by which TrackChoice.Audio names it; -1: it does not
	Chosen          bool
	NoDecoder       bool   // it is left out because nothing here decodes its codec
	LeftOut         string // why it is not chosen: "not chosen", "unreadable", LeftScrambled, "cover", "subtitle" or "data"
}

// LeftScrambled says that a stream is scrambled, for viewers with a licence.
const LeftScrambled = "scrambled"

// TrackChoice says which of a source's tracks are to be played. The zero value
// leaves it to the Opener, which looks for the best.
type TrackChoice struct {
	// Audio is the number of an audio track, counted from 0 among those of the
	// source (or of Program), or a language ("de", "deu", "zh-Hans"), or the name
	// of one.
	Audio   string `json:",omitempty"`
	Program int    `json:",omitempty"` // number of a transport stream's program
}

// Packet is one coded frame of a source. It is some 200 bytes long and goes through many
// hands: who only looks at one gets a pointer, who keeps it gets it by value.
//
// Without a Piece, Data is the packet's own. With one it is good until Release, which the
// last hand calls that a packet goes through. Who makes two packets of it calls Piece.Use.
type Packet struct {
	Track    int // index into SourceInfo.Tracks
	PTS, DTS time.Duration
	Duration time.Duration // 0 when unknown
	Data     []byte
	Piece    *offheap.Piece // that Data is part of; nil: it is of none
	// NoPTS and NoDTS say that the container gave none; PTS or DTS is then 0.
	NoPTS, NoDTS bool
	Keyframe     bool
	Corrupt      bool
	// Discard says that the container leaves the picture out (an edit list): it
	// is there to decode others with. Of video only.
	Discard bool
	// Extradata is the track's new decoder configuration, from this packet on;
	// nil where it has not changed.
	Extradata []byte
	// Change is what the track is from this packet on, where another stream of
	// the source has taken its part; nil for most. Of a track that the source had
	// not, Track counts one more than before.
	Change *Track
	// LeftOut is a stream of a picture or a sound that the source had not, which has
	// come and is not given, as nothing here decodes it; nil for nearly all.
	LeftOut *Stream
	// Offset is where it begins in the source's bytes; 0 when unknown.
	Offset int64

	OnAir
}

// OnAir is what there is to know of a packet that a program gives out; of what an input
// gives, Lost and Late alone.
type OnAir struct {
	Lost      time.Duration // how much of the track before it came and is damaged
	Position  time.Duration // in the source
	Skipped   time.Duration // how much was left out before it, in all
	Play      int           // number of the play of it
	Config    []byte        // the decoder configuration it needs, in FLV's form
	Kind      MediaType
	Origin    Origin // where it comes from
	Late      bool   // what came before it in the track was thrown away, as the push was behind
	Leads     bool   // the position is where it is
	Unclocked bool   // position is no time of the source's clock
}

// packetOverhead is counted for each packet beside what it holds.
const packetOverhead = 256

// Size is how many bytes p takes.
func (p *Packet) Size() int {
	n := packetOverhead + len(p.Data) + len(p.Extradata)
	if p.Change != nil {
		n += len(p.Change.Extradata)
	}
	return n
}

// Release says that the Data of p is used no more.
func (p *Packet) Release() {
	p.Piece.Release()
	p.Piece = nil
}

// Release releases packets that nobody gets, or all have.
func Release(packets []Packet) {
	for i := range packets {
		packets[i].Release()
	}
}

// Own makes Data the packet's own.
func (p *Packet) Own() {
	if p.Piece != nil {
		p.Data = bytes.Clone(p.Data)
		p.Release()
	}
}

// Repeats says whether p is the packet before, which had data, once more: a keyframe of the
// same bytes.
func (p *Packet) Repeats(data []byte) bool {
	return p.Keyframe && len(p.Data) > 0 && bytes.Equal(p.Data, data)
}

// ComingBytes is what has to come of a source that is being opened, or sought in, for it
// not to be silent: less is a drip.
const ComingBytes = 16 << 10

// TakeFirst takes the first of a queue that is not empty. What lies before the begin of a
// slice would live as long as it.
func TakeFirst[T any](queue *[]T) T {
	first := (*queue)[0]
	clear((*queue)[:1])
	*queue = (*queue)[1:]
	return first
}

// Source is an opened source. Its methods are called from one goroutine.
// Blocking calls return within 200 ms of the end of the context that Open got.
// Close may be called once, also while another method runs, which ends.
type Source interface {
	Info() SourceInfo
	// Seek moves to the keyframe at or before pos, counted from the start of
	// the source. Info may describe the same tracks otherwise after it.
	Seek(pos time.Duration) error
	// ReadPacket returns the next packet of a chosen track, io.EOF after the
	// last one, or an *Error. ErrLateVideo is no end: from then on Info has a
	// picture, too, and Packet.Track counts in its tracks.
	ReadPacket() (Packet, error)
	Close() error
}

// ErrLateVideo says that a live source that had sound alone has a picture now.
var ErrLateVideo = errors.New("the source has a picture now")

// SourceMode says how a source is to be played.
type SourceMode string

// The modes of a request. ModeAuto decides by the container.
const (
	ModeAuto SourceMode = "auto"
	ModeVOD  SourceMode = "vod"
	ModeLive SourceMode = "live"
)

// SourceRequest names a source to open.
type SourceRequest struct {
	URL     Secret // whole, with its query and user info
	Headers map[string]Secret
	// HeadersForAll says that those of Headers that ForAll tells of go to every host
	// that the source leads to, not to its own origin alone.
	HeadersForAll bool
	Mode          SourceMode
	// Choice that cannot be met is an *Error of KindSourceNoTrack.
	Choice TrackChoice
	// Bounds is the largest picture that is played as it is: of several, one within them
	// is chosen.
	Bounds Bounds
	// AudioDelay is by how much later the sound's packets are timed than the source
	// has them; of a source without a picture it is ignored.
	AudioDelay time.Duration
	// ProbeTimeout bounds opening and probing together, of a file for how long
	// nothing comes meanwhile; 0 leaves it to the Opener.
	ProbeTimeout time.Duration
	// Came is called again and again while something comes of the source, also
	// while it is being opened; nil: nobody asks.
	Came func()
	// Conduct is how the push's source has behaved so far; nil: nobody knows.
	Conduct *Conduct
	// Log receives what is said of the source; nil: the Opener's own log.
	Log *slog.Logger
}

// Opener opens sources. ctx bounds the life of the returned Source, not only
// the call.
type Opener interface {
	Open(ctx context.Context, r SourceRequest) (Source, error)
}
