package media

// interleaver is replaced by branch time.
type interleaver struct {
	queues   [2][]Packet
	flushing bool
}

func (w *interleaver) push(p Packet) { w.queues[p.Track] = append(w.queues[p.Track], p) }
func (w *interleaver) flush()        { w.flushing = true }
func (w *interleaver) has() bool     { return len(w.queues[0])+len(w.queues[1]) > 0 }
func (w *interleaver) pop() (Packet, bool) {
	for i := range w.queues {
		a, b := w.queues[i], w.queues[1-i]
		if len(a) > 0 && (len(b) > 0 && a[0].DTS <= b[0].DTS || len(b) == 0 && (w.flushing || a[len(a)-1].DTS-a[0].DTS > fillGap)) {
			w.queues[i] = a[1:]
			return a[0], true
		}
	}
	w.flushing = false
	return Packet{}, false
}
