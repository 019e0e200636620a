package fakeroom

import (
	"cmp"
	"slices"
	"time"
)

// EventKind is what happened to a user: one of those here, or the EndReason of a session.
type EventKind string

// The events that end no session, and one that does.
const (
	EventPublish EventKind = "publish"
	EventRefuse  EventKind = "refuse"
	EventKick              = EventKind(EndKicked)
)

// Event is a line of a Server's history. A user in the wrong (EventRefuse) may
// have an empty or invalid Room and User.
type Event struct {
	At          time.Time
	Kind        EventKind
	App         uint32
	Room, User  string
	Session     int    // the Session's ID, 0 for EventRefuse
	Code, Words string // what the publisher was told
}

// log appends e at now, under s.mu.
func (s *Server) log(e Event) {
	e.At = time.Now()
	s.history = append(s.history, e)
	s.cfg.Log.Info("stand-in room", "event", e.Kind, "sdk_app_id", e.App, "room_id", e.Room,
		"user_id", e.User, "session", e.Session, "code", e.Code, "words", e.Words)
}

// History returns all events so far in their order.
func (s *Server) History() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.history)
}

// liveSessions returns the running sessions by ID.
func (s *Server) liveSessions() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*session, 0, len(s.live))
	for _, sess := range s.live {
		out = append(out, sess)
	}
	slices.SortFunc(out, func(a, b *session) int { return cmp.Compare(a.s.ID, b.s.ID) })
	return out
}

// Publishers returns the running sessions of all rooms by ID.
func (s *Server) Publishers() []Session { return snapshots(s.liveSessions()) }

// Sessions returns all sessions since the start or Forget, by ID.
func (s *Server) Sessions() []Session {
	s.mu.Lock()
	list := slices.Clone(s.sessions)
	s.mu.Unlock()
	return snapshots(list)
}

func snapshots(list []*session) []Session {
	out := make([]Session, len(list))
	for i, sess := range list {
		out[i] = sess.snapshot()
	}
	return out
}

// Session returns user's newest session, in any app and room.
func (s *Server) Session(user string) (Session, bool) {
	for _, snap := range slices.Backward(s.Sessions()) {
		if snap.User == user {
			return snap, true
		}
	}
	return Session{}, false
}

// Packets returns what is kept of the session with this ID, decoder
// configurations first; nil when nothing is.
func (s *Server) Packets(id int) []Packet {
	s.mu.Lock()
	list := s.sessions
	s.mu.Unlock()
	for _, sess := range list {
		if sess.s.ID == id {
			sess.mu.Lock()
			defer sess.mu.Unlock()
			return sess.tape.snapshot()
		}
	}
	return nil
}

// Forget drops all ended sessions and the history.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = nil
	s.sessions = slices.DeleteFunc(slices.Clone(s.sessions), func(sess *session) bool {
		return !sess.snapshot().Live()
	})
}
