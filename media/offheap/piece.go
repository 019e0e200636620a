package offheap

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// PieceBytes is how long a Piece is.
const PieceBytes = 64 << 10

// mostTaken is how many pieces one owner has outside of Go's heap at a time: what forgets to
// release one costs no more.
const mostTaken = 128

// Pieces gives pieces to one owner. It may be used from several goroutines.
type Pieces struct{ taken atomic.Int32 }

// Piece is bytes that several parts of a program use, each of which releases it when it
// uses them no more. With the last one they are somebody else's. What nobody has any more
// and was not released the collector gives back. Of nil nothing is used or released.
type Piece struct {
	Bytes   []byte
	users   atomic.Int32
	memory  *lent // nil: it is Go's
	forgets runtime.Cleanup
}

// lent is the memory of a piece that is in use.
type lent struct {
	chunk []byte
	to    *Pieces
}

// Take returns a piece that the caller uses. What is in it is undefined.
func (p *Pieces) Take() *Piece {
	if p.taken.Add(1) > mostTaken {
		p.taken.Add(-1)
		piece := &Piece{Bytes: make([]byte, PieceBytes)}
		piece.users.Store(1)
		return piece
	}
	piece := released.take()
	piece.users.Store(1)
	piece.memory.to = p
	return piece
}

// Taken returns how many pieces outside of Go's heap are in use.
func (p *Pieces) Taken() int { return int(p.taken.Load()) }

// Use says that somebody else uses p, too.
func (p *Piece) Use() {
	if p != nil {
		p.users.Add(1)
	}
}

// Release says that one of those who use p does so no more.
func (p *Piece) Release() {
	if p == nil {
		return
	}
	users := p.users.Add(-1)
	if users < 0 && poisons {
		panic("a piece was released more often than it was used")
	}
	if users == 0 && p.memory != nil {
		p.memory.to.taken.Add(-1)
		p.memory.to = nil
		released.add(p)
	}
}

// released is the pieces that somebody else may have.
var released = pieceList{chunks: pool{chunk: PieceBytes}}

type pieceList struct {
	mu     sync.Mutex
	pieces []*Piece
	chunks pool // theirs and those of pieces in use, and what was not kept
}

func (l *pieceList) take() *Piece {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := len(l.pieces) - 1; last >= 0 {
		p := l.pieces[last]
		l.pieces[last], l.pieces = nil, l.pieces[:last]
		return p
	}
	memory := &lent{chunk: l.chunks.take()}
	p := &Piece{Bytes: memory.chunk, memory: memory}
	p.forgets = runtime.AddCleanup(p, (*lent).giveBack, memory)
	return p
}

func (l *pieceList) add(p *Piece) {
	if l.keeps(p) {
		return
	}
	p.forgets.Stop()
	spoil(p.Bytes)
	l.chunks.giveBack(p.Bytes)
	runtime.KeepAlive(p)
}

// keeps keeps p as it is, unless there are enough. Where it is to be found out who uses one
// that was released, none is taken twice.
func (l *pieceList) keeps(p *Piece) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	used := l.chunks.inUse() - len(l.pieces) - 1 // without p
	if poisons || len(l.pieces) >= mostWarm(used) {
		return false
	}
	l.pieces = append(l.pieces, p)
	return true
}

// giveBack is for a piece that was forgotten.
func (m *lent) giveBack() {
	m.to.taken.Add(-1)
	released.chunks.giveBack(m.chunk)
}
