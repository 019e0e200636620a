package media

import (
	"time"
)

// When a source counts as too damaged to go on with: more than half of a
// track's packets within damageSpan, and not just a few.
const (
	damageSpan = 10 * time.Second
	damageMany = 100
)

// damage watches how much of a track comes to nothing.
type damage struct {
	since     time.Duration // room time
	good, bad int64
}

// note counts packets up to room time at. Its error is an *Error of
// KindSourceInvalid.
func (d *damage) note(at time.Duration, good, bad int64) error {
	if at-d.since > damageSpan || at < d.since {
		*d = damage{since: at}
	}
	d.good, d.bad = d.good+good, d.bad+bad
	if d.bad >= damageMany && d.bad > d.good {
		return &Error{Kind: KindSourceInvalid, Op: "read source", Err: Because("most of it is damaged", nil)}
	}
	return nil
}

// lostSpan is how much of a track is left out in a row.
type lostSpan struct {
	n        int
	from, to time.Duration // DTS
}

func (l *lostSpan) add(p Packet) {
	if l.n == 0 {
		l.from = p.DTS
	}
	l.n, l.to = l.n+1, p.DTS+p.Duration
}

// until returns how long it is if the track goes on at t, and begins anew. A
// damaged packet may have any time: none counts for more than maxFrame.
func (l *lostSpan) until(t time.Duration) time.Duration {
	span := min(max(t-l.from, 0), time.Duration(l.n)*maxFrame)
	*l = lostSpan{}
	return span
}
