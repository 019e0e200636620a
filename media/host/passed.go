package host

import (
	"io"
	"slices"

	"github.com/roomcast/roomcast/media/offheap"
)

// mostPassed bounds what is kept of a file's bytes until it is known where its tables are.
const mostPassed = 48 << 20

// passed is what has been read of a file that is being opened.
type passed struct {
	pieces []piece
	bytes  int
	memory offheap.Memory
	off    bool // nothing is kept
}

// add takes what has been read at a position.
func (f *passed) add(at int64, data []byte) {
	if f == nil || f.off {
		return
	}
	begins := at > 0 || len(data) >= 8 && slices.Contains([]string{"ftyp", "moov", "mdat", "wide", "free", "skip"}, string(data[4:8]))
	if f.bytes += len(data); !begins || f.bytes > mostPassed {
		f.forget()
		return
	}
	kept := f.memory.Take(len(data))
	copy(kept, data)
	f.pieces = append(f.pieces, piece{at: at, data: kept})
}

// forget keeps nothing from now on.
func (f *passed) forget() {
	if f != nil {
		f.memory.Free()
		*f = passed{off: true}
	}
}

// ReadAt reads what has passed. Its error says that not all has been.
func (f *passed) ReadAt(b []byte, at int64) (int, error) {
	done := 0
	for done < len(b) {
		before := done
		for i := range f.pieces {
			done += copy(b[done:], f.pieces[i].has(at+int64(done), len(b)-done))
		}
		if done == before {
			return done, io.ErrUnexpectedEOF
		}
	}
	return done, nil
}

// piece is bytes of the source that were read at once.
type piece struct {
	at     int64
	data   []byte
	used   int            // bytes of it that are packets'
	memory *offheap.Piece // of which data is the begin; nil: it is Go's
}

// leave says that p is of no use any more. Packets may have parts of it.
func (p *piece) leave() {
	p.memory.Release()
	*p = piece{}
}

func (p *piece) end() int64 { return p.at + int64(len(p.data)) }

// has returns what p has of the bytes from a position on.
func (p *piece) has(at int64, n int) []byte {
	if at < p.at || at >= p.end() {
		return nil
	}
	from := int(at - p.at)
	to := min(from+n, len(p.data))
	return p.data[from:to:to]
}
