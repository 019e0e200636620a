package media

import "sync"

// Keyframe is a picture as a room was given it, which can be decoded without
// any other.
type Keyframe struct {
	Number int64  // counts those of an attempt; 0: there was none
	Data   []byte // H.264 in FLV's form; nobody's to change
	Config []byte // its decoder configuration, avcC
}

// LastKeyframe has the newest keyframe that a Job's room has taken. It copies
// nothing. It may be used from several goroutines; nil keeps nothing.
type LastKeyframe struct {
	mu   sync.Mutex
	last Keyframe
}

// Get returns the newest one.
func (l *LastKeyframe) Get() Keyframe {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// note keeps p, a picture that a mixer gave out, if it is one.
func (l *LastKeyframe) note(p Packet) {
	if l == nil || !p.Keyframe {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = Keyframe{Number: l.last.Number + 1, Data: p.Data, Config: p.config}
}
