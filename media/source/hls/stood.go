package hls

import "sync"

// mostStood is how many playlists are remembered.
const mostStood = 1000

// Stood remembers the live playlists that had stopped to grow, so that they are not
// played again from before their end when they are opened anew. The zero value is
// ready; it is safe for concurrent use.
type Stood struct {
	mu   sync.Mutex
	next map[string]uint64 // the number of the segment that did not come, by address
}

func (s *Stood) note(address string, next uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil || len(s.next) >= mostStood {
		s.next = make(map[string]uint64)
	}
	s.next[address] = next
}

// begin is the number to begin a live playlist with. It fails with errStill for one
// that is as it was.
func (s *Stood) begin(address string, l *list) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, has := s.next[address]
	end := l.end()
	if has && next == end {
		return 0, errStill
	}
	delete(s.next, address)
	if has && next < end && next > l.liveStart() {
		return next, nil
	}
	return l.liveStart(), nil
}
