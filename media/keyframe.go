package media

import (
	"sync"

	"github.com/roomcast/roomcast/media/offheap"
)

// Keyframe is a picture as a room was given it, which can be decoded without
// any other.
type Keyframe struct {
	Number int64  // counts those of an attempt; 0: there was none
	Data   []byte // H.264 in FLV's form
	Config []byte // its decoder configuration, avcC
}

// LastKeyframe has a copy of the newest keyframe that a Job's room has taken: a slice would
// keep all that was read with it. It may be used from several goroutines.
type LastKeyframe struct {
	mu   sync.Mutex
	last Keyframe       // without Data
	data *offheap.Bytes // nil: there was none
}

// Get returns the newest one.
func (l *LastKeyframe) Get() Keyframe {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.last
	if l.data != nil {
		k.Data = l.data.Copy(0, l.data.Len())
	}
	return k
}

// Set takes the next one.
func (l *LastKeyframe) Set(data, config []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.data == nil {
		l.data = offheap.NewBytes()
	}
	l.data.Reset()
	l.data.Append(data)
	l.last.Number, l.last.Config = l.last.Number+1, config
}
