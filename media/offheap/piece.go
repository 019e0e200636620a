package offheap

import (
	"runtime"
	"sync/atomic"
)

// PieceBytes is how long a Piece is.
const PieceBytes = 64 << 10

// mostTaken is how many pieces one owner has outside of Go's heap at a time: what forgets to
// release one costs no more.
const mostTaken = 128

// pieces is those that are free.
var pieces = pool{chunk: PieceBytes}

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

// lent is the memory of a piece.
type lent struct {
	chunk []byte
	to    *Pieces
}

// Take returns a piece that the caller uses. What is in it is undefined.
func (p *Pieces) Take() *Piece {
	piece := &Piece{}
	piece.users.Store(1)
	if p.taken.Add(1) > mostTaken {
		p.taken.Add(-1)
		piece.Bytes = make([]byte, PieceBytes)
		return piece
	}
	piece.memory = &lent{pieces.take(), p}
	piece.Bytes = piece.memory.chunk
	piece.forgets = runtime.AddCleanup(piece, (*lent).giveBack, piece.memory)
	return piece
}

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
	if users != 0 || p.memory == nil {
		return
	}
	p.forgets.Stop()
	spoil(p.Bytes)
	p.memory.giveBack()
	runtime.KeepAlive(p)
}

func (l *lent) giveBack() {
	pieces.giveBack(l.chunk)
	l.to.taken.Add(-1)
}
