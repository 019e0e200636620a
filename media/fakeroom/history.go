package fakeroom

import (
	"cmp"
	"slices"
	"time"
)

// EventKind is what happened to a user.
type EventKind string

// The events. Kick, Unpublish, Lost, Cut, Fault and Closed end a session; Drop
// is a lost user's disappearing from the room.
const (
	EventPublish   EventKind = "publish"
	EventRefuse    EventKind = "refuse"
	EventKick      EventKind = "kick"
	EventUnpublish EventKind = "unpublish"
	EventLost      EventKind = "lost"
	EventCut       EventKind = "cut"
	EventFault     EventKind = "fault"
	EventClosed    EventKind = "closed"
	EventDrop      EventKind = "drop"
)

func eventOf(end EndReason) EventKind {
	switch end {
	case EndUnpublished:
		return EventUnpublish
	case EndKicked:
		return EventKick
	case EndCut:
		return EventCut
	case EndFault:
		return EventFault
	case EndClosed:
		return EventClosed
	case EndLost:
	}
	return EventLost
}

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

// Member is a user in a room: one who publishes, or a lost one not yet gone.
type Member struct {
	App        uint32
	Room, User string
	Session    int
	LostAt     time.Time // zero for one who publishes
}

// log appends e at now, under s.mu.
func (s *Server) log(e Event) {
	if e.At.IsZero() {
		e.At = s.cfg.Now()
	}
	s.history = append(s.history, e)
	s.cfg.Log.Info("stand-in room", "event", e.Kind, "sdk_app_id", e.App, "room_id", e.Room,
		"user_id", e.User, "session", e.Session, "code", e.Code, "words", e.Words)
}

// expireLost drops the users whose time has passed, under s.mu. It is called
// before anything that reads or adds to the history, so that this stays in
// order.
func (s *Server) expireLost() {
	now := s.cfg.Now()
	var gone []Event
	for key, l := range s.lost {
		if at := l.at.Add(s.cfg.LostUserAfter); !at.After(now) {
			delete(s.lost, key)
			gone = append(gone, Event{At: at, Kind: EventDrop, App: key.app, Room: l.room,
				User: key.user, Session: l.session, Words: "lost for too long"})
		}
	}
	slices.SortFunc(gone, func(a, b Event) int { return a.At.Compare(b.At) })
	for _, e := range gone {
		s.log(e)
	}
}

// History returns all events so far in their order.
func (s *Server) History() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLost()
	return slices.Clone(s.history)
}

// Members returns who is in the room, lost users included, by user.
func (s *Server) Members(room string) []Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expireLost()
	var out []Member
	for key, sess := range s.live {
		if sess.s.Room == room {
			out = append(out, Member{App: key.app, Room: room, User: key.user, Session: sess.s.ID})
		}
	}
	for key, l := range s.lost {
		if l.room == room {
			out = append(out, Member{App: key.app, Room: room, User: key.user, Session: l.session, LostAt: l.at})
		}
	}
	slices.SortFunc(out, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.User, b.User), cmp.Compare(a.App, b.App))
	})
	return out
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
	if sess := s.newest(user); sess != nil {
		return sess.snapshot(), true
	}
	return Session{}, false
}

func (s *Server) newest(user string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sess := range slices.Backward(s.sessions) {
		if sess.s.User == user {
			return sess
		}
	}
	return nil
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
