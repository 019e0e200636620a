package fakeroom

import (
	"context"
	"fmt"
	"time"
)

// Wait waits until user's newest session fulfils cond and returns it. When ctx
// ends first, the error says what, as named, was waited for and how the session
// stood.
func (s *Server) Wait(ctx context.Context, user, what string, cond func(Session) bool) (Session, error) {
	var last Session
	err := s.bell.wait(ctx, func() bool {
		snap, ok := s.Session(user)
		last = snap
		return ok && cond(snap)
	})
	if err != nil {
		return last, fmt.Errorf("wait for %s of user %q (%s): %w", what, user, last.words(), err)
	}
	return last, nil
}

func (s Session) words() string {
	if s.ID == 0 {
		return "never published"
	}
	state := "publishing"
	if !s.Live() {
		state = fmt.Sprintf("ended: %s %q", s.End, s.EndWords)
	}
	return fmt.Sprintf("session %d, %s, video %v, audio %v", s.ID, state, s.Video.Span(), s.Audio.Span())
}

// WaitPublishing waits until user publishes.
func (s *Server) WaitPublishing(ctx context.Context, user string) (Session, error) {
	return s.Wait(ctx, user, "publishing", Session.Live)
}

// WaitEnded waits until user's newest session has ended.
func (s *Server) WaitEnded(ctx context.Context, user string) (Session, error) {
	return s.Wait(ctx, user, "the end", func(snap Session) bool { return !snap.Live() })
}

// WaitMedia waits until user's newest session has had at least d of both video
// and audio, by their DTS.
func (s *Server) WaitMedia(ctx context.Context, user string, d time.Duration) (Session, error) {
	return s.Wait(ctx, user, d.String()+" of media", func(snap Session) bool { return snap.Media() >= d })
}

// WaitSession waits until user has a session newer than the one with ID after,
// and returns it: a reconnect.
func (s *Server) WaitSession(ctx context.Context, user string, after int) (Session, error) {
	return s.Wait(ctx, user, "a new session", func(snap Session) bool { return snap.ID > after })
}

// WaitIdle waits until no connection is open.
func (s *Server) WaitIdle(ctx context.Context) error {
	err := s.bell.wait(ctx, func() bool { return s.Connections() == 0 })
	if err != nil {
		return fmt.Errorf("wait for %d connections to close: %w", s.Connections(), err)
	}
	return nil
}
