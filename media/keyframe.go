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

// Set takes the next one.
func (l *LastKeyframe) Set(data, config []byte) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = Keyframe{Number: l.last.Number + 1, Data: data, Config: config}
}
