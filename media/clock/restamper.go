package clock

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// What a source's timestamps may do before they are not believed.
const (
	// MaxBackward is how far a track's DTS may step back before that is a break
	// of the source's clock rather than disorder in it.
	MaxBackward = 500 * time.Millisecond
	// MaxForward is the longest gap in the content; more is a break of the
	// clock. FFmpeg's -dts_delta_threshold draws the line at the same place.
	MaxForward = 10 * time.Second
	// MaxApart is how far apart the tracks of one clock may start.
	MaxApart = 30 * time.Second
	// straggling is how long after a break packets of the old clock may come.
	straggling = time.Second
	// maxJitter is by how much a packet may miss its track's rhythm before
	// another clock is the likelier one.
	maxJitter = 200 * time.Millisecond
	// maxComposition bounds PTS - DTS: 16 reordered pictures (H.264, A.3.1) at one
	// a second, or the usual three of slides.
	maxComposition = 16 * time.Second
	// MaxFrame bounds what a packet is taken to last.
	MaxFrame = time.Second
	// maxTimestamp is where a timestamp stops being one (73 years; cameras
	// count from 1970). Sums of two stay within 64 bits.
	maxTimestamp = time.Duration(1 << 61)
)

// Where a source's clock may start again at zero: MPEG-TS counts 33 bits of
// 1/90000 s (ISO 13818-1, 2.4.3.7), FLV and RTMP 32 bits of milliseconds.
const (
	wrapTS  = time.Duration(1<<33) * time.Second / 90000
	wrapFLV = time.Duration(1<<32) * time.Millisecond
)

// Restamper turns a source's timestamps into the room's: from zero,
// in nanoseconds, before anything is decoded. Both tracks share one offset, so
// that audio and video stay together; what breaks the source's clock begins a
// new segment, with an offset of its own. Rounding, and that DTS rise, is left
// to rise.
type Restamper struct {
	Next     time.Duration // room time at which a new segment goes on: the end of all before
	segments [16]segment   // a ring: number n is at n modulo its length
	count    int           // segments begun
	since    int           // the first segment after the last cut
	tracks   [2]trackClock
}

// segment is a stretch of a source with one relation to the room's time.
type segment struct {
	offset  time.Duration // room time = source time + offset
	content time.Duration // offset of the first segment after a cut: what is shown goes on through breaks of the clock
	place   time.Duration // room time = position + place: positions leap with the clock, and go on where it steps back
	wrapped time.Duration // source time = timestamp + wrapped
	from    time.Duration // room time at which it begins

	// In source time, of DTS.
	lowest, head time.Duration // over both tracks
	used         [2]bool
	last         [2]time.Duration
}

// trackClock is what is known of a track beyond its segments.
type trackClock struct {
	segment int           // the newest that a packet of it was in
	spacing time.Duration // from packet to packet
	pts     time.Duration // of the last packet that had one, as given
	// reordered says that PTS do not rise: without DTS, they are not guessed
	// from PTS alone.
	reordered bool
}

// Cut says that the next packet begins a new segment (a loop, a seek, a
// reconnect, another source): it is shown right after everything before.
func (r *Restamper) Cut() {
	r.since = r.count
	r.tracks = [2]trackClock{}
}

// CutAt is cut for a segment of which only what is shown from source time t on
// goes to the room: that is what goes on right after everything before. It
// returns the room time of t.
func (r *Restamper) CutAt(t time.Duration) time.Duration {
	r.Cut()
	r.add(segment{offset: r.Next - t, from: r.Next, lowest: t, head: t})
	return r.Next
}

// Restamp returns p in the room's time: DTS is set always, PTS equals it where
// p has none (NoPTS stays) or one that cannot be true, and a Duration that is not
// known is that of the packet before. PTS may still be below
// DTS, and DTS step back by at most maxBackward plus the stragglers of a break.
func (r *Restamper) Restamp(p media.Packet) media.Packet {
	p.NoDTS = p.NoDTS || !believable(p.DTS)
	p.NoPTS = p.NoPTS || !believable(p.PTS)
	r.tracks[p.Track].watch(&p)
	dts := p.DTS
	if p.NoDTS {
		dts = r.guess(&p)
	}
	shift, ok := composition(&p, dts)
	n := r.place(p.Track, dts, dts+shift)
	s := r.at(n)
	source := dts + s.wrapped
	if shift < 0 {
		source, shift = s.lower(p.Track, source, shift)
	}
	r.note(n, &p, source)
	p.DTS = source + s.offset
	p.PTS = p.DTS + shift
	p.NoDTS, p.NoPTS = false, !ok
	length := r.Length(&p)
	if p.Duration <= 0 {
		p.Duration = length
	}
	r.Next = max(r.Next, max(p.PTS, p.DTS)+length)
	return p
}

// Position returns the source time that was made into room, if its segment is
// among the last few. Where the source's clock stepped back, it goes on; where the
// clock broke in any way, elapsed counts on as if it had not.
func (r *Restamper) Position(room time.Duration) (position, elapsed time.Duration) {
	s := r.shownIn(room)
	return room - s.place, room - s.content
}

// SteppedBack says whether the source's clock has stepped back since the last cut
// and before room: it does not tell the position any more.
func (r *Restamper) SteppedBack(room time.Duration) bool {
	s := r.shownIn(room)
	return s.place != s.offset
}

// shownIn is the segment of what is shown at room.
func (r *Restamper) shownIn(room time.Duration) segment {
	if r.count == 0 {
		return segment{}
	}
	n := r.count - 1
	for n > 0 && n > r.count-len(r.segments) && r.at(n).from > room {
		n--
	}
	return *r.at(n)
}

// Steady returns p with times that go on where the source's clock steps back, and
// by how much they are ahead of the source's own. r sees all packets from a
// position on.
func (r *Restamper) Steady(p media.Packet) (steady media.Packet, ahead time.Duration) {
	p = r.Restamp(p)
	s := r.shownIn(p.PTS)
	p.PTS, p.DTS = p.PTS-s.place, p.DTS-s.place
	return p, s.offset + s.wrapped - s.place
}

func (r *Restamper) at(n int) *segment { return &r.segments[n%len(r.segments)] }

// oldest is the number of the oldest segment that packets may belong to.
func (r *Restamper) oldest() int { return max(r.since, r.count-len(r.segments)) }

// of returns the segment that track is in, or nil.
func (r *Restamper) of(track int) *segment {
	n := r.tracks[track].segment
	if n < r.oldest() || n >= r.count || !r.at(n).used[track] {
		return nil
	}
	return r.at(n)
}

// place returns the number of the segment that dts belongs to: of those it
// could be in, the one whose time it is nearest to.
func (r *Restamper) place(track int, dts, pts time.Duration) int {
	best, least := -1, time.Duration(0)
	for n := r.oldest(); n < r.count; n++ {
		if d, ok := r.distance(n, track, dts); ok && (best < 0 || d < least) {
			best, least = n, d
		}
	}
	if best < 0 {
		best = r.wrap(track, dts)
	}
	if best < 0 {
		best = r.begin(dts, pts)
	}
	t := &r.tracks[track]
	t.segment = max(t.segment, best)
	return best
}

// distance says whether dts can belong to segment n, and how far it is from
// what is expected there.
func (r *Restamper) distance(n, track int, dts time.Duration) (time.Duration, bool) {
	s, t := r.at(n), &r.tracks[track]
	source, newest := dts+s.wrapped, r.at(r.count-1)
	now := r.of(track)
	switch {
	case now == nil || n > t.segment: // not come to it yet
		return s.outside(source), s.outside(source) <= MaxApart
	case n == t.segment:
		ok := source >= s.last[track]-MaxBackward && source <= s.head+MaxForward
		if s != newest && newest.settled() && newest.outside(dts+newest.wrapped) < straggling {
			ok = false // too long ago for a straggler
		}
		return max(0, (source-s.last[track]-t.spacing).Abs()-maxJitter), ok
	default: // gone on from it
		d := (source - s.last[track]).Abs()
		return d, s.used[track] && !r.at(t.segment).settled() && d < straggling
	}
}

// outside is how far source lies outside of what the segment has had.
func (s *segment) outside(source time.Duration) time.Duration {
	return max(0, s.lowest-source, source-s.head)
}

// settled says that the segment has gone on for so long that packets of an
// older one are none of its stragglers.
func (s *segment) settled() bool { return s.head-s.lowest >= straggling }

// wrap begins a segment where the clock of the one that track is in has
// started again at zero, or of one that only the other track has come to, and
// returns its number, or -1: source time goes on. libav may take a step back of one
// of two tracks for a wrap.
func (r *Restamper) wrap(track int, dts time.Duration) int {
	for _, by := range [...]time.Duration{wrapTS, -wrapTS, wrapFLV, -wrapFLV} {
		if s := r.of(track); s != nil {
			source := dts + s.wrapped + by
			if source >= s.last[track]-MaxBackward && source <= s.head+MaxForward {
				return r.goOn(s, source, by)
			}
		}
		if r.count == r.oldest() {
			continue
		}
		if s := r.at(r.count - 1); !s.used[track] && s.outside(dts+s.wrapped+by) <= MaxApart {
			return r.goOn(s, dts+s.wrapped+by, by)
		}
	}
	return -1
}

// goOn begins a segment at a source time, with s's relation to the room's, whose
// timestamps have wrapped.
func (r *Restamper) goOn(s *segment, source, by time.Duration) int {
	return r.add(segment{offset: s.offset, wrapped: s.wrapped + by, from: source + s.offset, lowest: source, head: source})
}

// begin makes pts the time that is shown next, but dts never less than zero,
// and returns the new segment's number.
func (r *Restamper) begin(dts, pts time.Duration) int {
	offset := max(r.Next-pts, -dts)
	return r.add(segment{offset: offset, from: pts + offset, lowest: dts, head: dts})
}

func (r *Restamper) add(s segment) int {
	n := r.count
	s.content, s.place = s.offset, s.offset
	if n > r.since {
		before := r.at(n - 1)
		leap := before.offset - s.offset
		if leap > wrapTS/2 { // libav takes a step back for a wrap
			leap -= wrapTS
		}
		s.content, s.place = before.content, before.place-max(leap, 0)
	}
	r.count++
	*r.at(n) = s
	return n
}

// lower brings a DTS that is above its PTS down to it, as far as the track's
// DTS allow: PTS are what is seen and heard.
func (s *segment) lower(track int, source, shift time.Duration) (time.Duration, time.Duration) {
	pts := source + shift
	if s.used[track] {
		source = min(source, max(pts, s.last[track]))
	} else {
		source = pts
	}
	return source, pts - source
}

// note remembers p, whose DTS is source, in segment n.
func (r *Restamper) note(n int, p *media.Packet, source time.Duration) {
	s := r.at(n)
	if step := source - s.last[p.Track]; s.used[p.Track] && step > 0 {
		r.tracks[p.Track].spacing = min(step, MaxFrame)
	}
	s.used[p.Track], s.last[p.Track] = true, source
	s.lowest, s.head = min(s.lowest, source), max(s.head, source)
}

// watch looks for pictures whose PTS do not rise.
func (t *trackClock) watch(p *media.Packet) {
	if !p.NoPTS {
		t.reordered = t.reordered || (p.PTS < t.pts && t.pts-p.PTS < MaxFrame)
		t.pts = p.PTS
	}
}

// Length is how long p is shown or heard.
func (r *Restamper) Length(p *media.Packet) time.Duration {
	if p.Duration > 0 && p.Duration <= MaxFrame {
		return p.Duration
	}
	return max(r.tracks[p.Track].spacing, Tick)
}

// guess returns a DTS for a packet without one.
func (r *Restamper) guess(p *media.Packet) time.Duration {
	s, t := r.of(p.Track), &r.tracks[p.Track]
	switch {
	case !p.NoPTS && (s == nil || !t.reordered):
		return p.PTS
	case s == nil && r.count > r.oldest():
		newest := r.at(r.count - 1)
		return newest.head - newest.wrapped
	case s == nil:
		return 0
	}
	last := s.last[p.Track] - s.wrapped
	dts := last + r.Length(p)
	if p.NoPTS {
		return dts
	}
	if back := last - p.PTS; back > 0 && back <= MaxBackward {
		return last
	}
	return max(min(dts, p.PTS), p.PTS-MaxBackward)
}

// composition returns PTS - DTS, and whether PTS can be true.
func composition(p *media.Packet, dts time.Duration) (time.Duration, bool) {
	if p.NoPTS {
		return 0, false
	}
	// One of the two may have wrapped before the other.
	for _, by := range [...]time.Duration{0, wrapTS, -wrapTS, wrapFLV, -wrapFLV} {
		if c := p.PTS - dts + by; c >= -MaxBackward && c <= maxComposition {
			return c, true
		}
	}
	return 0, false
}

func believable(at time.Duration) bool { return at >= -maxTimestamp && at <= maxTimestamp }
