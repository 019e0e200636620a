package fakeroom

import (
	"cmp"
	"sync"
	"sync/atomic"
)

// FaultKind is a way to misbehave.
type FaultKind int

// The faults.
const (
	// Reject refuses with Code and Words: the publish, or the connect when
	// AtConnect.
	Reject FaultKind = iota + 1
	// Stall never answers: the publish, or anything from the accepted TCP
	// connection on when AtConnect.
	Stall
	// StopReading reads nothing more from the connection, not even its end,
	// after AfterPackets.
	StopReading
	// ReadSlowly reads BytesPerSecond after AfterPackets.
	ReadSlowly
	// Cut resets the TCP connection after AfterPackets.
	Cut
)

// Fault is a misbehaviour of the room, in force until Heal.
type Fault struct {
	Kind FaultKind
	// User is the publisher it concerns, everybody's when empty. Before the
	// publish command no user is known: AtConnect concerns everybody.
	User      string
	AtConnect bool
	// Times is how many connections it hits; 0 is every one.
	Times int
	// AfterPackets lets that many media packets of the session, configs
	// included, pass first. A running session that has had them is hit at once,
	// by StopReading and ReadSlowly at its next packet.
	AfterPackets   int
	Code, Words    string // Reject's; CodeDenied and a sentence when empty
	BytesPerSecond int    // ReadSlowly's; 1 when 0
}

// refusal is Reject's, with a code where it has none.
func (f Fault) refusal(code string) verdict {
	return verdict{end: EndFault, code: cmp.Or(f.Code, code), words: cmp.Or(f.Words, "refused on demand")}
}

// How sessions end on demand, and when their user comes again.
var (
	kicked = verdict{end: EndKicked, code: CodeKicked, words: "the same user came again"}
	cut    = verdict{end: EndFault, words: "connection reset on demand", abrupt: true}
)

// fault is a Fault in force.
type fault struct {
	Fault
	hits   int // under faults.mu
	healed chan struct{}
}

type faults struct {
	some atomic.Bool
	mu   sync.Mutex
	list []*fault
}

func (fs *faults) add(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.list = append(fs.list, &fault{Fault: f, healed: make(chan struct{})})
	fs.some.Store(true)
}

func (fs *faults) heal() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		close(f.healed)
	}
	fs.list = nil
	fs.some.Store(false)
}

// target is whom a fault may hit.
type target struct {
	atConnect bool
	user      string
	packets   int
}

// take returns the first fault of this kind that hits t, counting the hit, or
// nil.
func (fs *faults) take(kind FaultKind, t target) *fault {
	if !fs.some.Load() {
		return nil
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		spent := f.Times > 0 && f.hits >= f.Times
		hit := f.Kind == kind && f.AtConnect == t.atConnect && (f.User == "" || f.User == t.user)
		if hit && !spent && t.packets >= f.AfterPackets {
			f.hits++
			return f
		}
	}
	return nil
}

// Misbehave puts f into force beside those already in force.
func (s *Server) Misbehave(f Fault) {
	s.faults.add(f)
	if f.Kind != Cut {
		return
	}
	for _, live := range s.liveSessions() {
		if s.faults.take(Cut, live.target(live.snapshot())) != nil {
			s.end(live, cut)
		}
	}
}

// Heal ends all faults: what was stalled goes on, what was ended stays ended.
func (s *Server) Heal() { s.faults.heal() }

// Cut resets the connections on which user publishes now (everybody's when
// empty) and returns how many.
func (s *Server) Cut(user string) int { return s.endNow(user, cut) }

// Kick ends the sessions of user (everybody's when empty) as if the user had
// come again elsewhere, and returns how many.
func (s *Server) Kick(user string) int { return s.endNow(user, kicked) }

func (s *Server) endNow(user string, v verdict) int {
	n := 0
	for _, live := range s.liveSessions() {
		if user == "" || user == live.s.User {
			s.end(live, v)
			n++
		}
	}
	return n
}
