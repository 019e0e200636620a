package program

import (
	"time"

	"github.com/roomcast/roomcast/media"
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
		return &media.Error{Kind: media.KindSourceInvalid, Op: "read source", Err: media.Because("most of it is damaged", nil)}
	}
	return nil
}
