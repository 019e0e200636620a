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

// begin notes that a wait has begun, unless it had before.
func (w *waiting) begin(now time.Time) { w.since.CompareAndSwap(0, now.UnixNano()) }

// restart ends a wait and begins another, if anybody waits.
func (w *waiting) restart(now time.Time) {
	if since := w.since.Load(); since != 0 && w.since.CompareAndSwap(since, now.UnixNano()) {
		w.total.Add(now.UnixNano() - since)
	}
}

// end notes that what was waited for has come, or is given up.
func (w *waiting) end(now time.Time) {
	if since := w.since.Swap(0); since != 0 {
		w.total.Add(now.UnixNano() - since)
	}
}

// goesOn says whether anybody waits.
func (w *waiting) goesOn() bool { return w.since.Load() != 0 }

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
	p := Pulse{Behind: time.Duration(m.behind.Load())}
	p.SourceSince, p.Source = m.source.look(now)
	p.RoomSince, p.Room = m.room.look(now)
	p.Paced = m.paced.Load()
	if ns := m.lastSent.Load(); ns != 0 {
		p.Sent = time.Unix(0, ns)
	}
	return p
}

// WaitForSource and SourceCame stand around whatever waits for the source;
// without a Meter they do nothing.
func (m *Meter) WaitForSource() {
	if m != nil {
		m.source.begin(time.Now())
	}
}

// SourceGives notes that something has come of a source that is still waited for.
func (m *Meter) SourceGives() {
	if m != nil && m.source.goesOn() {
		m.source.restart(time.Now())
	}
}

func (m *Meter) SourceCame() {
	if m != nil && m.source.goesOn() {
		m.source.end(time.Now())
	}
}

// WaitForRoom and RoomCame stand around whatever waits for the room.
func (m *Meter) WaitForRoom(now time.Time) { m.room.begin(now) }

// RoomCame ends what WaitForRoom began.
func (m *Meter) RoomCame(now time.Time) { m.room.end(now) }

// WaitForTime and TimeCame stand around the wait until a packet is due.
func (m *Meter) WaitForTime() { m.paced.Store(true) }

// TimeCame ends what WaitForTime began.
func (m *Meter) TimeCame() { m.paced.Store(false) }

// SetBehind says how far a source that is not paced has fallen behind.
func (m *Meter) SetBehind(d time.Duration) { m.behind.Store(int64(d)) }
