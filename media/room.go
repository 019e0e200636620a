package media

import (
	"context"
	"time"
)

// Destination names where a push goes: who publishes, into which room, of
// which app.
type Destination struct {
	SDKAppID uint32
	RoomID   string // TRTC's StrRoomID
	UserID   string
	UserSig  Secret // empty when the operator's key mints it
}

// PublishAddress is where and as what to publish; it holds the signature.
type PublishAddress struct {
	// URL is rtmp(s)://host[:port]/app/streamkey?query, taken as it is: never
	// parsed into values and written again (a UserSig's * must stay a *).
	URL Secret
	// Expires is when its signature runs out; zero when unknown.
	Expires time.Time
	// Renewable says that another signature is made when it has run out.
	Renewable bool
}

// Door knows the way into a kind of room.
type Door interface {
	// Check says what is wrong with d at now: nil, or one or several
	// *DestinationProblem joined; DestinationProblems lists them.
	Check(d Destination, now time.Time) error
	// Address checks d's signature (or mints one) at now and returns the
	// publish address. Errors have KindUserSigExpired or KindRoomDenied and
	// wrap what Check found.
	Address(d Destination, now time.Time) (PublishAddress, error)
	// Rules says what this kind of room takes.
	Rules() Rules
}

// Publisher is one open publish session. Its methods are called from one
// goroutine, but for Close.
type Publisher interface {
	// WritePacket sends one packet whose PTS and DTS are the room's; its Track
	// is an index into the tracks given to Dial, its Data AVCC for H.264 and
	// raw AAC. It returns when the packet is in the connection's buffer, when
	// ctx ends, or with an *Error of a room kind.
	WritePacket(ctx context.Context, p Packet) error
	// Unconfirmed returns how much media was written and has not reached the room's
	// machine because that is slow; 0 where it cannot be told. It may be called
	// beside the other methods.
	Unconfirmed() time.Duration
	// SentBytes counts what the connection took, headers included.
	SentBytes() int64
	// Done is closed as soon as the room has ended the session, and at the latest
	// when Close returns. It may be called beside the other methods, as may Err.
	Done() <-chan struct{}
	// Err returns what WritePacket fails with since the room ended the session, or
	// nil.
	Err() error
	// Close unpublishes and closes the connection, waiting at most until ctx
	// ends. It is idempotent.
	Close(ctx context.Context) error
}

// Dialer opens publish sessions. The tracks' Extradata is avcC for H.264 and
// AudioSpecificConfig for AAC. Dial returns when the room has accepted the
// publish, within 200 ms of ctx's end, or with an *Error that carries the
// room's code and words.
type Dialer interface {
	Dial(ctx context.Context, a PublishAddress, tracks []Track) (Publisher, error)
}

// Rules is what a room accepts by copy.
type Rules struct {
	Video          []Codec
	Audio          []Codec
	BFrames        bool // whether reordered video is accepted
	MaxWidth       int  // pixels, 0 is no limit; counted on the longer side
	MaxHeight      int  // pixels, 0 is no limit; counted on the shorter side
	PixelFormats   []string
	AudioProfiles  []string // FFmpeg's names
	MaxChannels    int
	MaxSampleRate  int
	MaxKeyInterval time.Duration // advice: the plan warns beyond it
}

// Bounds is the largest picture that the room takes.
func (r Rules) Bounds() Bounds { return Bounds{Long: r.MaxWidth, Short: r.MaxHeight} }

// Bounds is the largest picture of a room in pixels, either way round; a side of 0 has
// no limit.
type Bounds struct{ Long, Short int }

// Hold says whether a picture lies within the bounds.
func (b Bounds) Hold(width, height int) bool {
	return (b.Long == 0 || max(width, height) <= b.Long) && (b.Short == 0 || min(width, height) <= b.Short)
}
