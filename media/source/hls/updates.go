package hls

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

const (
	// fromEnd is how many of its longest segments before its end a live stream begins
	// (RFC 8216, section 6.3.3), and for how many target durations it may not grow.
	fromEnd = 3
	// A live playlist is asked for again after shortestWait at the soonest, and counts
	// as standing still after leastStill.
	shortestWait = 200 * time.Millisecond
	longestWait  = 30 * time.Second
	leastStill   = 10 * time.Second
	// Of a live stream nothing may come for leastSilence, or two target durations: what
	// hangs is asked for again before viewers run out.
	leastSilence = 5 * time.Second
)

// errStill is why a live stream's playlist ends without its end.
var errStill = &media.Error{Kind: media.KindSourceUnavailable, Op: opPlaylist, Err: media.Because("its playlist does not grow any more, and does not say that it has ended", nil)}

// updates is a media playlist as it is by now. It decides when a live one is asked for
// again (RFC 8216, section 6.3.4), and when it has not grown for too long.
type updates struct {
	f       *fetcher
	address string
	base    string // that gave it: what it names is relative to that
	list    *list
	fixed   bool   // it is whole
	stood   *Stood // learns that it does not grow any more

	asked  time.Time
	grown  time.Time
	work   int64 // of the last look, also of one that failed
	still  bool  // it did not grow at the last look
	failed int   // looks in a row
}

func (u *updates) begin() { u.asked, u.grown, u.work = time.Now(), time.Now(), u.list.work }

// await asks for the playlist again when it is time to; came says whether it was there.
func (u *updates) await(ctx context.Context) (came bool, err error) {
	wait := u.list.longest()
	if u.still {
		wait /= 2
	}
	timer := time.NewTimer(time.Until(u.asked.Add(min(max(wait, shortestWait, cost(u.work)), longestWait))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	u.asked = time.Now()
	p, err := u.f.again(ctx, u.base, u.list)
	if r, is := errors.AsType[refused](err); is && r.status < http.StatusInternalServerError && u.base != u.address {
		p, err = u.f.again(ctx, u.address, u.list) // a redirect may lead there for a while only
	}
	u.work = p.work()
	if err = cmp.Or(err, p.refused); err != nil {
		if u.failed++; ctx.Err() != nil || u.failed >= mostMissing || !passing(err) {
			return false, err
		}
		u.still = true
		return false, nil
	}
	if u.failed = 0; !p.list.behind(u.list) {
		p.list.countOn(u.list)
		u.list, u.base = p.list, p.address.Reveal()
	}
	return true, nil
}

// passing says whether a playlist that was there may be there at the next look: it may be
// read while it is written.
func passing(err error) bool {
	switch media.KindOf(err) { //nolint:exhaustive // the others are for good
	case media.KindSourceUnavailable, media.KindSourceNotFound, media.KindSourceInvalid, media.KindSourceUnauthorized, media.KindSourceGone:
		return true
	}
	return false
}

// judge is told whether the playlist that has come has grown; next is the number of the
// segment that is waited for.
func (u *updates) judge(grown bool, next uint64) error {
	if u.still = !grown; grown || u.list.over {
		u.grown = time.Now()
		return nil
	}
	if limit := max(fromEnd*max(u.list.target, u.list.step()), leastStill); time.Since(u.grown) >= limit {
		u.stood.note(u.address, next)
		return errStill
	}
	return nil
}

// behind says that l is what known was before, or not yet anything: a server beside the
// one that gave known may be late, and a playlist be read while it is written.
func (l *list) behind(known *list) bool {
	if l.over || len(l.segments) == 0 {
		return !l.over
	}
	number, shared := l.shared(known)
	return shared && l.end() < known.end() && l.segment(number).name() == known.segment(number).name()
}

// countOn makes l go on counting discontinuities where known, the one before it, did: many
// servers do not say how many have left their window.
func (l *list) countOn(known *list) {
	if len(l.segments) == 0 {
		return
	}
	from, to := l.segments[0], known.segments[len(known.segments)-1]
	number, shared := l.shared(known)
	if shared {
		from, to = l.segment(number), known.segment(number)
	}
	if !shared && from.clock >= to.clock {
		return
	}
	for i := range l.segments {
		l.segments[i].clock += to.clock - from.clock
	}
}

// shared is the number of the oldest segment that is in both lists.
func (l *list) shared(other *list) (number uint64, is bool) {
	number = max(l.segments[0].number, other.segments[0].number)
	return number, number < min(l.end(), other.end())
}

func (l *list) segment(number uint64) segment { return l.segments[number-l.segments[0].number] }

// end is the number of the segment that is to come.
func (l *list) end() uint64 { return l.segments[len(l.segments)-1].number + 1 }

// name is what two servers call a segment alike; a stream that has begun anew mostly
// does not.
func (s segment) name() string {
	name, _, _ := strings.Cut(s.uri, "?")
	return path.Base(name)
}

// liveStart is the number of the segment that a live stream is begun with.
func (l *list) liveStart() uint64 {
	i := len(l.segments) - 1
	step := l.step()                                                                         // half of it is for those that are a little shorter
	for need := fromEnd*step - step/2; i > 0 && l.length()-l.segments[i].begin < need; i-- { //nolint:revive // it counts
	}
	return l.segments[max(i, 0)].number
}

// step is how much of a live stream comes at once: a segment, or those of the time
// between two looks at a large playlist.
func (l *list) step() time.Duration { return max(l.longest(), cost(l.work)) }

// cost is how long after a look the next one may be, by what it was to read it.
func cost(work int64) time.Duration {
	return min(time.Duration(work)*time.Second/mostRate, longestWait)
}

// longest is the length of the longest segment; what a playlist says of it may be far
// too much.
func (l *list) longest() time.Duration {
	var longest time.Duration
	for _, s := range l.segments {
		longest = max(longest, s.length)
	}
	if longest == 0 {
		return l.target
	}
	return longest
}
