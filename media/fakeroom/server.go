package fakeroom

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Server is a running stand-in room server.
type Server struct {
	cfg    Config
	ln     *net.TCPListener
	wg     sync.WaitGroup
	bell   bell
	faults faults

	mu       sync.Mutex
	closed   bool
	conns    map[*conn]struct{}
	sessions []*session // in the order of their IDs
	nextID   int
	live     map[userKey]*session
	history  []Event
}

// userKey is a user of an app: unique over all of the app's rooms.
type userKey struct {
	app  uint32
	user string
}

// Start listens and serves until Close.
func Start(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("start stand-in room: %w", err)
	}
	s := &Server{cfg: cfg, ln: ln.(*net.TCPListener), conns: map[*conn]struct{}{}, live: map[userKey]*session{}}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr is the host:port it listens on.
func (s *Server) Addr() string { return s.ln.Addr().String() }

// URL is the endpoint, "rtmp://127.0.0.1:1935/push"; a publish address is
// URL + "/" + stream key.
func (s *Server) URL() string { return "rtmp://" + s.Addr() + "/" + appName }

// Connections is how many TCP connections are open now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Close ends all connections and returns when all goroutines have ended. What
// was received can still be read. It is idempotent.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	_ = s.ln.Close()
	for c := range s.conns {
		c.interrupt(verdict{end: EndClosed, words: "the room was closed"})
		_ = c.nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *Server) accept() {
	for {
		nc, err := s.ln.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.cfg.Log.Error("stand-in room: accept", "error", err)
			continue
		}
		if s.cfg.ReadBuffer > 0 {
			_ = nc.SetReadBuffer(s.cfg.ReadBuffer)
		}
		s.serve(&conn{srv: s, nc: nc, stop: make(chan struct{})})
	}
}

func (s *Server) serve(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.wg.Go(func() {
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
		s.bell.ring()
	})
}

// admit opens a session on c, kicking the one a has elsewhere.
func (s *Server) admit(c *conn, a address) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := userKey{a.app, a.user}
	if old := s.live[key]; old != nil {
		s.endLocked(old, kicked)
		old.conn.interrupt(kicked)
	}
	sess := newSession(c, a, s.cfg)
	s.nextID++
	sess.s.ID = s.nextID
	s.sessions = append(s.sessions, sess)
	s.live[key] = sess
	s.log(Event{Kind: EventPublish, App: a.app, Room: a.room, User: a.user, Session: sess.s.ID})
	s.bell.ring()
	return sess
}

// end ends a session and its connection; a session that has ended stays as it
// is.
func (s *Server) end(sess *session, v verdict) {
	s.mu.Lock()
	s.endLocked(sess, v)
	s.mu.Unlock()
	s.bell.ring()
	if v.end != EndUnpublished {
		sess.conn.interrupt(v)
	}
}

func (s *Server) endLocked(sess *session, v verdict) {
	if !sess.finish(v) {
		return
	}
	key := userKey{sess.s.App, sess.s.User}
	if s.live[key] == sess {
		delete(s.live, key)
	}
	s.log(Event{Kind: EventKind(v.end), App: sess.s.App, Room: sess.s.Room, User: sess.s.User,
		Session: sess.s.ID, Code: v.code, Words: v.words})
	s.forgetOldPackets()
}

// forgetOldPackets frees what the oldest ended sessions kept.
func (s *Server) forgetOldPackets() {
	ended := 0
	for i := len(s.sessions) - 1; i >= 0; i-- {
		sess := s.sessions[i]
		sess.mu.Lock()
		if sess.s.End != "" {
			ended++
			if ended > s.cfg.KeepEnded {
				sess.tape.clear()
			}
		}
		sess.mu.Unlock()
	}
}

func (s *Server) refused(a address, v verdict) {
	s.mu.Lock()
	s.log(Event{Kind: EventRefuse, App: a.app, Room: a.room, User: a.user, Code: v.code, Words: v.words})
	s.mu.Unlock()
	s.bell.ring()
}
