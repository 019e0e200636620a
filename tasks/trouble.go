package tasks

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Side is where the cause of a trouble lies.
type Side string

// The sides.
const (
	SideSource Side = "source"
	SideRoom   Side = "room"
	SideWorker Side = "worker"
	SideQueue  Side = "queue"
)

// Trouble is why a push is not well, in itself: there while it lasts, and kept
// with a push that has failed or was stopped in it.
type Trouble struct {
	Side      Side      `json:"side"`
	Code      Code      `json:"code"`
	Message   string    `json:"message"`
	Since     time.Time `json:"since"`
	Tries     int       `json:"tries,omitempty"`    // again, since then
	NextTryAt time.Time `json:"nextTryAt,omitzero"` // zero: nothing is being waited for with a time
	GivesUpAt time.Time `json:"givesUpAt,omitzero"` // when the push fails unless it is over before; zero: it waits on
}

// ended is t of a push that is not tried any more.
func (t *Trouble) ended() *Trouble {
	if t == nil {
		return nil
	}
	last := *t
	last.NextTryAt, last.GivesUpAt = time.Time{}, time.Time{}
	return &last
}

// slow says whether the push goes on, slower than it should.
func (t *Trouble) slow() bool {
	return t.Code == CodeSourceSlow || t.Code == CodeRoomSlow || t.Code == CodePacketsDropped && t.Side == SideRoom
}

// Codes of troubles that fail no push, beside those of a failed one and the
// reasons of Waiting.
const (
	CodeSourceSilent   Code = "source_silent"
	CodeSourceSlow     Code = "source_slow"
	CodeRoomSilent     Code = "room_silent"
	CodeRoomSlow       Code = "room_slow"
	CodeWorkerSlow     Code = "worker_slow"
	CodePacketsDropped Code = "packets_dropped"
)

const (
	// silentAfter is how long one side may give no sign before that is trouble: it
	// is to be known within three seconds, and is looked at once a second.
	silentAfter = 2 * time.Second
	// fedLately is for how long after its last packet was played a source that is
	// waited for counts as there.
	fedLately = 1500 * time.Millisecond
	// slowWindow is over how long slips and dropped packets are looked at;
	// slowSlip and manyDropped are what counts within it.
	slowWindow  = 5 * time.Second
	slowSlip    = 500 * time.Millisecond
	manyDropped = 10
	// overAfter is how long packets must reach the room without a new symptom
	// before a trouble is over, so that one that comes and goes is one. It grows up
	// to longestCalm for one that begins within recently after the last.
	overAfter   = 2 * time.Second
	longestCalm = 32 * time.Second
	recently    = time.Minute
	// retellAfter is how often at most one trouble's code is an event: a server may word
	// each refusal anew, and a room may be slow and silent by turns.
	retellAfter = 30 * time.Second
)

// troubles is what an attempt knows of its own; guarded by attempt.mu.
type troubles struct {
	now     *Trouble             // nil: all is well
	untold  bool                 // the store does not have it yet
	failing *Trouble             // what is being tried again; nil: source and room are open
	cause   error                // of failing, for the log
	quiet   bool                 // the state is Reconnecting because nothing reaches the room, though both sides are open
	live    bool                 // the source is
	taken   time.Duration        // of the source, by both tracks
	fed     time.Time            // when taken grew last
	well    time.Time            // since when nothing was wrong while there is a trouble; zero: something is
	calm    time.Duration        // how long all must be well for it to be over
	over    time.Time            // when the last one was
	last    Trouble              // as an event has told it last
	said    map[reason]time.Time // when an event told it last, of this trouble
	past    []reading            // of twice the last slowWindow, oldest first
}

// continueFrom takes over the trouble that p's attempt before has left: it did not
// see its end. That of a wait is over.
func (t *troubles) continueFrom(p Push) {
	switch {
	case t.failing != nil: // ours, which goes on
		t.now = t.failing
	case p.Waiting == "":
		if t.now = p.Trouble; t.now != nil { // it may have been told
			t.said = map[reason]time.Time{{t.now.Side, t.now.Code}: time.Now()}
		}
	default:
		t.now = nil
	}
	t.untold = true
}

// reason is what a trouble has, which may change while it lasts.
type reason struct {
	side Side
	code Code
}

// reading is what the meter said at a moment.
type reading struct {
	at      time.Time
	slipped time.Duration
	dropped int64
	pulse   media.Pulse
}

// sideOf returns whose trouble an error of kind is.
func sideOf(k media.Kind) Side {
	switch {
	case k == media.KindInternal, k == media.KindRoomNotAllowed, k == media.KindWorkerShort, k == media.KindSourceDropped:
		return SideWorker
	case k.OfRoom(), k == media.KindUserSigExpired:
		return SideRoom
	}
	return SideSource
}

// failLocked notes that err is tried again at next, and given up at until.
func (a *attempt) failLocked(err error, next, until time.Time) {
	o, words, _ := told(err) // without what to do: it is tried again
	t := &a.troubles
	t.quiet = false
	t.failing = &Trouble{Side: sideOf(media.KindOf(err)), Code: o.code, Message: words, NextTryAt: next, GivesUpAt: until, Tries: 1}
	if t.now != nil {
		t.failing.Tries += t.now.Tries
	}
	t.cause = err
	a.noteLocked(t.failing, time.Now())
}

// lookLocked looks how the attempt is: whether packets reach the room, and what
// its trouble is if it has one.
func (a *attempt) lookLocked(p media.Progress, now time.Time) { a.lookAt(p, a.meter.Pulse(now), now) }

func (a *attempt) lookAt(p media.Progress, pulse media.Pulse, now time.Time) {
	t := &a.troubles
	t.live = a.live
	flows := now.Sub(pulse.Sent) < silentAfter
	if taken := p.Coverage[media.Video].Taken + p.Coverage[media.Audio].Taken; taken != t.taken {
		t.taken, t.fed = taken, now
	}
	slow := t.slowness(p, pulse, now)
	if now.Sub(t.fed) < fedLately { // what has come before lasts still
		pulse.SourceSince = time.Time{}
	}
	silent := silence(pulse, now)
	waits := pulse.Paced || !pulse.RoomSince.IsZero()
	if silent == nil && a.state == Publishing && !flows && !pulse.Sent.IsZero() && !waits { // but works
		silent = workerSlow(now)
	}
	switch {
	case a.state == Publishing && !flows && silent != nil:
		t.quiet = true
		a.moveLocked(Reconnecting)
	case t.quiet && flows && t.failing == nil:
		t.quiet = false
		since := a.publishing // that nothing came for a while does not unsettle the attempt
		a.moveLocked(Publishing)
		a.publishing = since
	}
	if t.failing != nil || silent != nil {
		t.past = nil // what was lost meanwhile is that trouble's
	}
	switch symptom := cmp.Or(t.failing, silent, slow); {
	case symptom != nil:
		a.noteLocked(symptom, now)
	case t.now != nil && a.state == Publishing && (flows || pulse.RoomSince.IsZero()):
		a.recoverLocked(now)
	}
}

// silence is the trouble of a side that gives no sign, nil for none.
func silence(p media.Pulse, now time.Time) *Trouble {
	switch {
	case lasts(p.SourceSince, now) >= silentAfter:
		return &Trouble{Side: SideSource, Code: CodeSourceSilent, Since: p.SourceSince,
			Message: "nothing has come from the source for some seconds: look whether its server or its sender is well"}
	case lasts(p.RoomSince, now) >= silentAfter:
		return &Trouble{Side: SideRoom, Code: CodeRoomSilent, Since: p.RoomSince,
			Message: "the room has taken nothing for some seconds: look at the network between the worker and TRTC"}
	}
	return nil
}

// lasts is for how long a wait that goes on since then has; 0 for none.
func lasts(since, now time.Time) time.Duration {
	if since.IsZero() {
		return 0
	}
	return now.Sub(since)
}

// workerSlow is the trouble of a push that its worker has no time for.
func workerSlow(now time.Time) *Trouble {
	return &Trouble{Side: SideWorker, Code: CodeWorkerSlow, Since: now, Message: "this worker is too slow for all that it plays: give it fewer pushes (ROOMCAST_WORKER_SLOTS) or a faster machine"}
}

// slowness is the trouble of a push that slips or drops, nil for none.
func (t *troubles) slowness(p media.Progress, pulse media.Pulse, now time.Time) *Trouble {
	for len(t.past) > 0 && now.Sub(t.past[0].at) > 2*slowWindow {
		t.past = t.past[1:]
	}
	// What is lost by a wait counts when it is over. One that lasts longer is a silence, or costs nothing.
	ended := pulse
	ended.Source -= min(lasts(pulse.SourceSince, now), silentAfter)
	ended.Room -= min(lasts(pulse.RoomSince, now), silentAfter)
	t.past = append(t.past, reading{at: now, slipped: p.Slipped, dropped: p.DroppedPackets, pulse: ended})
	before, since := split(t.past, now.Add(-slowWindow))
	then := since[0]
	waited := map[Side]time.Duration{SideSource: pulse.Source - then.pulse.Source, SideRoom: pulse.Room - then.pulse.Room}
	slip := max(p.Slipped-then.slipped, leastBehind(since)-leastBehind(before))
	side := SideWorker
	for _, s := range []Side{SideSource, SideRoom} {
		if waited[s] > slip/2 && waited[s] > waited[side] {
			side = s
		}
	}
	switch {
	case slip >= slowSlip && side == SideSource:
		return &Trouble{Side: side, Code: CodeSourceSlow, Message: "the source comes slower than it is played, so that the picture stands again and again: look at its server, and at the network to it"}
	case slip >= slowSlip && side == SideRoom:
		return &Trouble{Side: side, Code: CodeRoomSlow, Message: "the room takes packets slower than they are played: look at the network between the worker and TRTC, or ask for less (videoKbps)"}
	case slip >= slowSlip:
		return workerSlow(now)
	case p.DroppedPackets-then.dropped < manyDropped:
		return nil
	case waited[SideRoom] >= slowSlip:
		return &Trouble{Side: SideRoom, Code: CodePacketsDropped, Message: "packets are left out because the room takes them slower than they come: " +
			"look at the network between the worker and TRTC, or ask for less (videoKbps)"}
	case t.live && now.Sub(then.at) >= slowWindow/2 && waited[SideSource] < slowSlip/2: // who keeps up waits for a live source nearly always
		return workerSlow(now)
	}
	return &Trouble{Side: SideSource, Code: CodePacketsDropped,
		Message: "packets of the source are left out, which come damaged or too late: look at what makes it, and at the network to it"}
}

// split parts readings, oldest first, into those before at and the others.
func split(past []reading, at time.Time) (before, since []reading) {
	n := slices.IndexFunc(past, func(s reading) bool { return !s.at.Before(at) })
	return past[:n], past[n:]
}

// leastBehind is how far a live source was behind at least: what the network
// held up and handed on soon after is not lost. Of no time it is not known.
func leastBehind(readings []reading) time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, s := range readings {
		least = min(least, s.pulse.Behind)
	}
	return least
}

// noteLocked makes s the attempt's trouble. It is an event when it begins and
// when its reason changes to one that was not told lately.
func (a *attempt) noteLocked(s *Trouble, now time.Time) {
	t, next := &a.troubles, *s
	before := t.now
	next.Since = cmp.Or(next.Since, now)
	switch {
	case before != nil:
		next.Since, next.Tries = before.Since, max(before.Tries, next.Tries)
		if before.slow() && !next.slow() { // as long as it would take a slowness to be over
			t.calm = max(t.calm, slowWindow+overAfter)
		}
	case now.Sub(t.over) < recently:
		t.calm = min(4*max(t.calm, overAfter), longestCalm)
	default:
		t.calm = overAfter
	}
	if before == nil {
		t.said = map[reason]time.Time{}
	}
	t.well = time.Time{}
	if before == nil || *before != next {
		t.now, t.untold = &next, true
	}
	why := reason{next.Side, next.Code}
	told := why == reason{t.last.Side, t.last.Code} && next.Message == t.last.Message
	if before != nil && (told || now.Sub(t.said[why]) < retellAfter) {
		return
	}
	t.last, t.said[why] = next, now
	a.eventLocked(Event{Type: EventTrouble, Side: next.Side, Code: string(next.Code), Message: next.Message})
	log := a.log
	if s == t.failing {
		log = log.With("error", t.cause)
	}
	log.Warn("trouble", "side", next.Side, "code", next.Code, "message", next.Message)
	a.askRenew()
}

// recoverLocked ends the attempt's trouble once all has been well for a while.
func (a *attempt) recoverLocked(now time.Time) {
	t := &a.troubles
	if t.well.IsZero() {
		t.well = now
	}
	if now.Sub(t.well) < max(t.calm, overAfter) {
		return
	}
	was := *t.now
	t.over = now
	lasted := t.well.Sub(was.Since).Round(100 * time.Millisecond)
	t.now, t.untold, t.well, t.cause = nil, true, time.Time{}, nil
	message := fmt.Sprintf("over after %v", max(lasted, 0))
	if was.Tries > 0 {
		message += fmt.Sprintf(", tried %d times", was.Tries)
	}
	a.eventLocked(Event{Type: EventRecovered, Side: was.Side, Code: string(was.Code), Message: message})
	a.log.Info("trouble is over", "side", was.Side, "code", was.Code, "lasted", lasted, "tries", was.Tries)
}

// side says where the cause of a wait lies.
func (w Waiting) side() Side {
	switch w {
	case WaitingForWorker, WaitingForKey, WaitingForMemory:
		return SideWorker
	case WaitingForSlot, WaitingForEmpty, WaitingForCapacity, WaitingForTurn:
	}
	return SideQueue
}

// refused says whether workers take the push's task and give it back.
func (w Waiting) refused() bool {
	return slices.Contains([]Waiting{WaitingForEmpty, WaitingForKey, WaitingForMemory, WaitingForCapacity}, w)
}

// Trouble is a wait since then as the push's trouble.
func (w Waiting) Trouble(since time.Time) *Trouble {
	return &Trouble{Side: w.side(), Code: Code(w), Message: w.Message(), Since: since}
}
