package host

import (
	"bytes"

	"github.com/roomcast/roomcast/media"
)

const (
	// mostLeft bounds what a window keeps when it moves on.
	mostLeft = 128 << 10
	// mostBefore is how far before a packet's data its unit begins at most: the head of a
	// tag or of a block.
	mostBefore = 64
	// leastPlaced is how much data is told by its place.
	leastPlaced = 64
	// mostKeeps is how many times their own bytes packets keep of what was read, at most: of
	// a file of which little is played, each would keep what was read for it.
	mostKeeps = 4
)

// window is the bytes of a source that both ends of a session have: those that the host
// was given last, and before them what it had left of others. A packet whose data lies in
// it need not come back from the host: its place does.
type window struct {
	left, given []byte
	end         int64 // position of the byte behind them
	found       int64 // where the last data ends that find has found; 0: none has been
	used        int   // up to here what was given is part of packets
	kept        int   // bytes of it that are
}

// add makes data, at a position, what has been given.
func (w *window) add(at int64, data []byte) {
	if at != w.end {
		w.left, w.found = w.left[:0], 0
	}
	w.given, w.end, w.used, w.kept = data, at+int64(len(data)), 0, 0
}

// unfound returns how many bytes come after the last data that was found.
func (w *window) unfound() int {
	n := w.end - w.found
	if w.found == 0 || n > int64(min(len(w.left)+len(w.given), mostLeft)) {
		return 0
	}
	return int(n)
}

// leave leaves the last n bytes, which it keeps as its own, and gives back what was
// given, if it is not used.
func (w *window) leave(n int) {
	all := len(w.left) + len(w.given)
	if n < 0 || n > min(all, mostLeft) {
		n = 0
	}
	w.left = append(w.left[:0], w.left[min(all-n, len(w.left)):]...)
	w.left = append(w.left, w.given[max(len(w.given)-n, 0):]...)
	if w.used == 0 {
		giveBack(w.given)
	}
	w.given = nil
}

// borders are where what was left begins, and behind it what was given.
func (w *window) borders() (left, given int64) {
	given = w.end - int64(len(w.given))
	return given - int64(len(w.left)), given
}

// bytes returns n bytes at a position, nil if they are not all there. They may be part of
// what was given.
func (w *window) bytes(at int64, n int) []byte {
	begin, border := w.borders()
	switch {
	case n <= 0 || at < begin || at > w.end || int64(n) > w.end-at:
		return nil
	case at >= border:
		from := int(at - border)
		data := w.given[from : from+n : from+n]
		if from < w.used { // transcoders know the same picture by its memory
			return bytes.Clone(data)
		}
		w.used, w.kept = from+n, w.kept+n
		return data
	}
	b := append(make([]byte, 0, n), w.left[at-begin:min(at-begin+int64(n), int64(len(w.left)))]...)
	return append(b, w.given[:n-len(b)]...)
}

// release makes packets, which have all that is used of what was given, have their own
// bytes where they would keep much more. last says that no more packets come of it.
func (w *window) release(packets []media.Packet, last bool) {
	if w.used == 0 || last && w.kept >= len(w.given)/mostKeeps {
		return
	}
	for i := range packets {
		packets[i].Data = bytes.Clone(packets[i].Data)
	}
	w.used, w.kept = 0, 0
}

// find returns where data stands, at a position or behind the head of a unit there.
func (w *window) find(data []byte, position int64) (at int64, ok bool) {
	if len(data) < leastPlaced {
		return 0, false
	}
	begin, border := w.borders()
	for at = max(position, begin); at <= position+mostBefore && int64(len(data)) <= w.end-at; at++ {
		before := w.left[min(max(at-begin, 0), int64(len(w.left))):]
		before = before[:min(len(before), len(data))]
		behind := w.given[max(at-border, 0):]
		if bytes.HasPrefix(data, before) && bytes.HasPrefix(behind, data[len(before):]) {
			w.found = at + int64(len(data))
			return at, true
		}
	}
	return 0, false
}
