package outlet

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// A room that hangs up this soon after a publish, this often in a row, does so
// because of another publisher with our name.
const (
	kickSoon = 2 * time.Second
	kickMany = 3
)

// How long before its end a signature is warned about.
var signatureWarnings = [...]time.Duration{time.Hour, time.Minute}

// roomSession is what a run knows of its time in the room: the present connection,
// and all before it.
type roomSession struct {
	played  time.Duration // in earlier connections
	opened  time.Time     // when this connection began to publish
	since   time.Time     // first packet of this connection; zero before it
	kicks   int           // connections in a row that ended too soon
	expires time.Time     // of the signature; zero when unknown
	renews  bool          // another one is made when it has run out
	warned  int           // how many of signatureWarnings have been given
}

// begin notes a new connection.
func (s *roomSession) begin(now time.Time, a media.PublishAddress) {
	s.opened, s.since, s.renews = now, time.Time{}, a.Renewable
	if !a.Expires.Equal(s.expires) {
		s.expires, s.warned = a.Expires, 0
	}
}

// sent notes a packet and says whether it was the connection's first.
func (s *roomSession) sent(now time.Time) bool {
	if !s.since.IsZero() {
		return false
	}
	s.since = now
	return true
}

// end notes the end of the connection, whatever ended it.
func (s *roomSession) end(now time.Time) {
	s.played, s.since = s.total(now), time.Time{}
	if !s.soon(now) {
		s.kicks = 0
	}
}

// refused notes a publish that failed with an error of a kind. A room that cannot be
// published into at all has another reason to hang up than another publisher.
func (s *roomSession) refused(kind media.Kind) {
	if kind != media.KindRoomConflict {
		s.kicks = 0
	}
}

// total returns for how long there was something in the room.
func (s *roomSession) total(now time.Time) time.Duration {
	if s.since.IsZero() {
		return s.played
	}
	return s.played + now.Sub(s.since)
}

// kickedOut notes that the room hung up, and says whether it has done so too
// often too soon.
func (s *roomSession) kickedOut(now time.Time) bool {
	if !s.soon(now) {
		return false
	}
	s.kicks++
	return s.kicks >= kickMany
}

func (s *roomSession) soon(now time.Time) bool { return now.Sub(s.opened) < kickSoon }

// signature returns a warning when the signature is about to run out.
func (s *roomSession) signature(now time.Time) string {
	if s.expires.IsZero() || s.warned == len(signatureWarnings) {
		return ""
	}
	left := s.expires.Sub(now)
	if left > signatureWarnings[s.warned] {
		return ""
	}
	for s.warned < len(signatureWarnings) && left <= signatureWarnings[s.warned] {
		s.warned++
	}
	then := "the push cannot come back into the room when its connection breaks"
	if s.renews {
		then = "a new one is minted when the connection to the room breaks"
	}
	return "the userSig runs out at " + s.expires.UTC().Format(time.RFC3339) + "; after that " + then
}
