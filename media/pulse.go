package media

import (
	"sync/atomic"
	"time"
)

// Pulse is whether an attempt goes on, and what it waits for if not.
type Pulse struct {
	Sent        time.Time     // when the room took a packet last; zero before the first
	SourceSince time.Time     // since when nothing has come of the source that is waited for; zero: it is not
	RoomSince   time.Time     // since when the room is waited for; zero: it is not
	Paced       bool          // a packet is there, and its time has not come
	Source      time.Duration // how long the source was waited for, in all
	Room        time.Duration // how long the room was
	Behind      time.Duration // how far a live source that is sent as it comes has fallen behind since it was opened
}

// waiting is the wait for one side. One goroutine waits, any may look.
type waiting struct {
	since atomic.Int64 // Unix ns; 0: nobody waits
	total atomic.Int64 // ns, of waits that are over
}

// Begin notes that a wait has begun, unless it had before.
func (w *waiting) Begin(now time.Time) { w.since.CompareAndSwap(0, now.UnixNano()) }

// restart ends a wait and begins another, if anybody waits.
func (w *waiting) restart(now time.Time) {
	if since := w.since.Load(); since != 0 && w.since.CompareAndSwap(since, now.UnixNano()) {
		w.total.Add(now.UnixNano() - since)
	}
}

// End notes that what was waited for has come, or is given up.
func (w *waiting) End(now time.Time) {
	if since := w.since.Swap(0); since != 0 {
		w.total.Add(now.UnixNano() - since)
	}
}

func (w *waiting) look(now time.Time) (since time.Time, total time.Duration) {
	total = time.Duration(w.total.Load())
	if ns := w.since.Load(); ns != 0 {
		since = time.Unix(0, ns)
		total += now.Sub(since)
	}
	return since, total
}

// Pulse returns how the attempt goes on at now.
func (m *Meter) Pulse(now time.Time) Pulse {
	p := Pulse{Behind: time.Duration(m.Behind.Load())}
	p.SourceSince, p.Source = m.source.look(now)
	p.RoomSince, p.Room = m.Room.look(now)
	p.Paced = m.Paced.since.Load() != 0
	if ns := m.lastSent.Load(); ns != 0 {
		p.Sent = time.Unix(0, ns)
	}
	return p
}

// WaitForSource and sourceCame stand around whatever waits for the source;
// without a Meter they do nothing.
func (m *Meter) WaitForSource() {
	if m != nil {
		m.source.Begin(time.Now())
	}
}

// SourceGives notes that something has come of a source that is still waited for.
func (m *Meter) SourceGives() {
	if m != nil {
		m.source.restart(time.Now())
	}
}

func (m *Meter) SourceCame() {
	if m != nil {
		m.source.End(time.Now())
	}
}
