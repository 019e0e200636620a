package fakeroom

import (
	"slices"
	"sync"
	"time"
)

// EndReason says how a session ended.
type EndReason string

// The end reasons. A running session's is empty.
const (
	EndUnpublished EndReason = "unpublished" // properly, by a command
	EndLost        EndReason = "lost"        // the connection broke
	EndKicked      EndReason = "kicked"      // the same user came again
	EndCut         EndReason = "cut"         // the stream broke a rule
	EndFault       EndReason = "fault"       // a Fault or a call of Cut
	EndClosed      EndReason = "closed"      // the Server was closed
)

// ViolationKind is the rule a stream broke.
type ViolationKind string

// The violations. The first three make the room cut the stream.
const (
	BFrames    ViolationKind = "b_frames"   // PTS not in the order of DTS
	WrongCodec ViolationKind = "codec"      // not H.264, not AAC
	Resolution ViolationKind = "resolution" // changed in mid-stream
	NewSPS     ViolationKind = "sps"        // changed, at the same resolution
	AudioSetup ViolationKind = "audio"      // AudioSpecificConfig changed
	Timestamps ViolationKind = "timestamps" // DTS does not rise
	Structure  ViolationKind = "structure"  // not decodable as it stands
)

// Violation is one rule broken by a stream.
type Violation struct {
	Kind  ViolationKind
	At    time.Time
	DTS   time.Duration
	Words string
}

// cuts says whether the room ends a stream that breaks the rule.
func (k ViolationKind) cuts() bool {
	return k == BFrames || k == WrongCodec || k == Resolution
}

// maxViolations bounds the list of a session; all are counted.
const maxViolations = 100

// Session is a snapshot of one publish session.
type Session struct {
	ID int // rises by one per session of a Server
	Publisher
	StartedAt time.Time
	Ending
	Stream
	Truncated bool // MaxBytes was reached: not all is kept
}

// Publisher is who publishes, and into which room.
type Publisher struct {
	App        uint32
	Room, User string
	Remote     string // the publisher's address
}

// Ending is how a session ended.
type Ending struct {
	EndedAt  time.Time // zero while it runs
	End      EndReason // empty while it runs
	EndWords string    // what the publisher was told, or the connection's error
	// Unpublished says that FCUnpublish, deleteStream or closeStream came.
	Unpublished bool
}

// Stream is what came of a session, and which rules it broke.
type Stream struct {
	Video, Audio  TrackStats
	Width, Height int // pixels, of the newest SPS
	// VideoConfigs and AudioConfigs are the different decoder configurations
	// (avcC, AudioSpecificConfig) in the order they came.
	VideoConfigs, AudioConfigs [][]byte
	// MaxSkew is the longest DTS distance between the newest video and the
	// newest audio packet.
	MaxSkew time.Duration

	Violations     []Violation // the first 100 and what the room cut for
	ViolationCount int
}

// Live says whether the session runs.
func (s Session) Live() bool { return s.End == "" }

// Packets is how many media packets came.
func (s Stream) Packets() int { return s.Video.Packets + s.Audio.Packets }

// Bytes is how many bytes of media came.
func (s Stream) Bytes() int64 { return s.Video.Bytes + s.Audio.Bytes }

// Media is the media time received of both video and audio: the shorter span.
func (s Stream) Media() time.Duration { return min(s.Video.Span(), s.Audio.Span()) }

// Broke says whether the stream broke the rule.
func (s Stream) Broke(kind ViolationKind) bool {
	return slices.ContainsFunc(s.Violations, func(v Violation) bool { return v.Kind == kind })
}

// session is a Session in the making.
type session struct {
	conn *conn

	mu    sync.Mutex
	s     Session
	watch watch
	tape  tape
}

func newSession(c *conn, a address, cfg Config) *session {
	return &session{
		conn: c,
		s: Session{
			Publisher: Publisher{App: a.app, Room: a.room, User: a.user, Remote: c.nc.RemoteAddr().String()},
			StartedAt: time.Now(),
		},
		tape: newTape(cfg),
	}
}

func (s *session) snapshot() Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := s.s
	snap.Violations = append([]Violation(nil), s.s.Violations...)
	snap.VideoConfigs = append([][]byte(nil), s.s.VideoConfigs...)
	snap.AudioConfigs = append([][]byte(nil), s.s.AudioConfigs...)
	snap.Truncated = s.tape.truncated
	return snap
}

// finish ends the session once; it says whether this call did it.
func (s *session) finish(v verdict) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.End != "" {
		return false
	}
	s.s.End, s.s.EndWords, s.s.EndedAt = v.end, v.words, time.Now()
	s.s.Unpublished = s.s.Unpublished || v.end == EndUnpublished
	return true
}

// take counts, checks and keeps a media packet. A non-nil verdict cuts the
// stream.
func (s *session) take(p Packet) *verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.End != "" {
		return nil
	}
	v := s.watch.look(&s.s, &p)
	s.tape.add(p)
	if s.s.Video.Packets > 0 && s.s.Audio.Packets > 0 {
		s.s.MaxSkew = max(s.s.MaxSkew, (s.s.Video.LastDTS - s.s.Audio.LastDTS).Abs())
	}
	return v
}

// target is the session as a fault sees it.
func (s *session) target(snap Session) target {
	return target{user: snap.User, packets: snap.Packets() + len(snap.VideoConfigs) + len(snap.AudioConfigs)}
}
