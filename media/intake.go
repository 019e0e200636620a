package media

import (
	"fmt"
	"sync/atomic"
	"time"
)

// How long a track is waited for that lies behind the other. Fragments of 6 s
// are common, and hold all of one track before anything of the other.
const (
	// fileWeave is the most media of one track that is held for the other; a
	// track that did not come by then is not waited for until it comes again.
	fileWeave = 20 * time.Second
	// weaveWait bounds the wait where a source gives its packets slowly. It is
	// more than maxSlip: a source that is too slow for its own fragments gets
	// the lead that it lacks.
	weaveWait = 1500 * time.Millisecond
	// lateLag is by how much a track that begins late may stand behind the other:
	// what muxers hold the sound for, and twice that.
	lateLag = time.Second
)

// intake brings the packets of one feed, which have the room's times, into the
// order of their DTS, before anything is made of them. It is used by one
// goroutine, but for span.
type intake struct {
	interleaver
	video    *trackQueue // nil: there is none
	begun    bool        // the first picture was given out
	deadline time.Time   // of the present wait for a track; zero: there is none
	// lag is how much of a track is held while there is none beside it: packets of
	// one that comes late stand behind those that they belong to.
	lag time.Duration
	// early are pictures that are decoded before a hole and shown behind it, newest
	// is the highest PTS that came of a picture.
	early      []Packet
	earlyBytes int
	newest     time.Duration
	spans      [2]atomic.Int64
	ends       time.Duration // room time at which what was given out ends
}

// newIntake returns the intake of a source with these tracks; of a realtime
// source nothing is held.
func newIntake(tracks []Track, realtime bool) *intake {
	t := &intake{interleaver: *newInterleaver(len(tracks), fileWeave), newest: forever}
	switch {
	case realtime:
		t.hold = 0
	case len(tracks) == 1:
		t.lag = lateLag
	}
	for i, track := range tracks {
		if track.Type == Video {
			t.video = &t.lanes[i]
		}
	}
	return t
}

func (t *intake) push(p Packet) {
	if t.hold > 0 && t.video == &t.lanes[p.Track] && t.comesEarly(p) {
		return
	}
	t.interleaver.push(p)
	t.measure(p.Track)
}

// deepest is how many pictures may be decoded ahead of those shown before them
// (H.264, A.3.1).
const deepest = 16

// comesEarly holds a picture that is shown more than a second behind all before
// it and is to be decoded before that. A container that knows no DTS, and one that was
// cut, have it so at a hole: with B-frames, the first pictures behind it have the DTS
// of those before. Where DTS go on behind the hole, it need not be decoded before.
func (t *intake) comesEarly(p Packet) bool {
	leaps := p.PTS-t.newest > stillTime && p.PTS-p.DTS > stillTime
	if t.newest == forever {
		t.newest = p.PTS
	}
	t.newest = max(t.newest, p.PTS)
	switch n := len(t.early); {
	case n > 0 && p.DTS-t.early[n-1].DTS > stillTime:
		for i := range t.early {
			e := &t.early[i]
			e.DTS = max(e.DTS, min(e.PTS, p.DTS))
		}
		t.letEarly()
	case n == deepest || t.earlyBytes > interleaverBytes || n > 0 && p.DTS-t.early[0].DTS > stillTime:
		t.letEarly()
	case n > 0:
		leaps = true
	}
	if leaps {
		t.early, t.earlyBytes = append(t.early, p), t.earlyBytes+p.Size()
	}
	return leaps
}

func (t *intake) letEarly() {
	for _, p := range t.early {
		t.interleaver.push(p)
		t.measure(p.Track)
	}
	t.early, t.earlyBytes = nil, 0
}

func (t *intake) flush() {
	t.letEarly()
	t.interleaver.flush()
}

func (t *intake) clear() int {
	n := len(t.early)
	t.early, t.earlyBytes = nil, 0
	return n + t.interleaver.clear()
}

// pop returns the packet with the lowest DTS, or false while one with a lower
// DTS is waited for.
func (t *intake) pop() (Packet, bool) {
	l := t.lowest()
	if l == nil {
		return Packet{}, false
	}
	other := t.other(l)
	if other.n == 0 && l.newest-l.first().DTS >= t.hold {
		other.absent = true
	}
	if !other.started && l.newest-l.first().DTS < t.lag && t.bytes <= interleaverBytes && !t.flushing {
		return Packet{}, false
	}
	if !t.ready(l) {
		return Packet{}, false
	}
	t.deadline = time.Time{}
	return t.give(l), true
}

// force returns the packet with the lowest DTS although one with a lower DTS
// may still come. There must be one.
func (t *intake) force() Packet {
	if t.lowest() == nil {
		t.letEarly()
	}
	return t.give(t.lowest())
}

// give takes a packet out, the first picture first: the room begins with it.
func (t *intake) give(l *trackQueue) Packet {
	if t.video != nil && !t.begun && t.video.n > 0 {
		l = t.video
	}
	t.begun = t.begun || l == t.video
	p := t.take(l)
	t.measure(p.Track)
	return p
}

// holds says whether anything is held.
func (t *intake) holds() bool { return t.lanes[0].n+t.lanes[1].n+len(t.early) > 0 }

// patience is how long the next packet may be waited for: usual where nothing
// is held.
func (t *intake) patience(usual time.Duration) time.Duration {
	if !t.holds() {
		return usual
	}
	now := time.Now()
	if t.deadline.IsZero() {
		t.deadline = now.Add(weaveWait)
	}
	return t.deadline.Sub(now)
}

// measure makes span right after a change of a track.
func (t *intake) measure(track int) {
	held := time.Duration(0)
	if l := &t.lanes[track]; l.n > 0 {
		held = l.newest - l.first().DTS
	}
	t.spans[track].Store(int64(held))
}

// span is how much of a track is held. It may be called beside other methods.
func (t *intake) span(track int) time.Duration { return time.Duration(t.spans[track].Load()) }

// longest is how much is held of the track of which it is more.
func (t *intake) longest() time.Duration { return max(t.span(0), t.span(1)) }

// takeIn makes the intake of a new feed.
func (m *mixer) takeIn() {
	tracks := m.feed.info.Tracks
	m.intake = newIntake(tracks, m.feed.realtime)
	m.intake.ends = m.restamp.next
	m.reach = reach{heard: -forever}
	m.leap.keys = 0
	for i, t := range tracks {
		if m.lanes[t.Type] == nil {
			m.intake.end(i)
		}
	}
}

// receive gives a packet of the feed the room's time.
func (m *mixer) receive(p Packet) {
	media := m.feed.info.Tracks[p.Track].Type
	if p.LeftOut != nil {
		m.warn(WarnNoDecoder, noDecoder(*p.LeftOut))
	}
	if p.Change != nil && m.lanes[media] == nil {
		m.warn(WarnLeftOut, leftOut(media, "the room was told that there is none; with fillAudio there is silence until it comes"))
	}
	if m.lanes[media] != nil {
		m.intake.push(m.restamp.restamp(p))
	}
}

func (m *mixer) warn(code WarningCode, message string) {
	if m.onWarning != nil {
		m.onWarning(code, message)
	}
}

// leftOut says why a track that came after the push had begun is not played.
func leftOut(media MediaType, why string) string {
	return fmt.Sprintf("the source's %s came after the push had begun, and is left out: %s", wordFor(media), why)
}

// complete says whether what is held is to be played although no more comes,
// because of err. A file that broke is read again, from the last picture that
// was sent: a fragment of which the other track is missing is not shown, unless
// it is all there was, or a file whose server breaks off again and again would
// never move on.
func (m *mixer) complete(err error) bool {
	return isEnd(err) || m.feed.live || !m.given || m.intake.longest() <= fileAhead
}

// forgetHeld makes the next feed go on where what was given out ends.
func (m *mixer) forgetHeld() {
	if m.intake != nil && m.intake.clear() > 0 {
		m.restamp.next = min(m.restamp.next, m.intake.ends)
	}
	m.intake = nil
}

// buffered returns how much of a live source has come and was not given out. It
// may be called beside the other methods.
func (m *mixer) buffered() (most time.Duration) {
	for track, queued := range m.feed.queue.spans() {
		most = max(most, queued+m.intake.span(track))
	}
	return most
}
