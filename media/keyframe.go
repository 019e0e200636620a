package media

import (
	"bytes"
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

// LastKeyframe has the newest keyframe that a Job's room has taken, a copy where it is of no
// piece: a slice would keep all that was read with it. It may be used from several goroutines.
type LastKeyframe struct {
	mu   sync.Mutex
	last Keyframe       // without Data
	from Packet         // has it where it is of a piece
	data *offheap.Bytes // the copy; nil: there was none
}

// Get returns the newest one.
func (l *LastKeyframe) Get() Keyframe {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.last
	if l.from.Piece != nil {
		k.Data = bytes.Clone(l.from.Data)
	} else if l.data != nil {
		k.Data = l.data.Copy(0, l.data.Len())
	}
	return k
}

// Set takes the next one.
func (l *LastKeyframe) Set(p *Packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last.Number, l.last.Config = l.last.Number+1, p.Config
	l.from.Release()
	if l.data != nil {
		l.data.Reset()
	}
	if p.Piece != nil {
		p.Piece.Use()
		l.from = Packet{Data: p.Data, Piece: p.Piece}
		return
	}
	if l.data == nil {
		l.data = offheap.NewBytes()
	}
	l.data.Append(p.Data)
}
