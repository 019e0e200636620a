package media

import "sync"

// Keyframe is a picture as a room was given it, which can be decoded without
// any other.
type Keyframe struct {
	Number int64  // counts those of an attempt; 0: there was none
	Data   []byte // H.264 in FLV's form; nobody's to change
	Config []byte // its decoder configuration, avcC
}

// mostKeyframe is how many bytes of a keyframe are kept, which each push does all
// the time: one of 4K has less, and a source that sends more has no preview.
const mostKeyframe = 2 << 20

// LastKeyframe has the newest keyframe that a Job's room has taken. It copies
// nothing. It may be used from several goroutines; nil keeps nothing.
type LastKeyframe struct {
	mu     sync.Mutex
	number int64
	last   Keyframe
}

// Get returns the newest one; its Number is 0 when it was too large to be kept.
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
	l.number++
	l.last = Keyframe{}
	if len(data) <= mostKeyframe {
		l.last = Keyframe{Number: l.number, Data: data, Config: config}
	}
}
