package media

import "time"

// startGate leaves packets out until one that a decoder can start with: a
// video keyframe, or anything where there is no video. Audio from before the
// first picture is left out, too.
type startGate struct {
	video     int // index of the video track
	audioOnly bool
	open      bool
	from      time.Duration // PTS of the first picture
	heard     bool          // sound from after it has come
}

func newStartGate(tracks []Track) *startGate {
	g := &startGate{audioOnly: true}
	for i, t := range tracks {
		if t.Type == Video {
			g.video, g.audioOnly = i, false
		}
	}
	return g
}

func (g *startGate) isKey(p Packet) bool {
	return g.audioOnly || (p.Track == g.video && p.Keyframe)
}

// kind returns the type of p's track.
func (g *startGate) kind(p Packet) MediaType {
	if !g.audioOnly && p.Track == g.video {
		return Video
	}
	return Audio
}

func (g *startGate) pass(p Packet) bool {
	if !g.open {
		if !g.isKey(p) {
			return false
		}
		g.open, g.from = true, shownAt(p)
		return true
	}
	if g.kind(p) == Video || g.audioOnly {
		g.heard = g.heard || g.from-shownAt(p) > maxBackward // the clock has jumped: from tells nothing any more
		return true
	}
	end := shownAt(p) + p.Duration
	g.heard = g.heard || end > g.from || g.from-end > maxApart
	return g.heard
}

// Bounds of the sound that is kept of a feed until its first keyframe.
const (
	earlyLive  = 2 * time.Second
	earlyBytes = 4 << 20
)

// earlySound keeps the newest sound that stands before the first keyframe:
// where it stands says nothing about its time.
type earlySound struct {
	span    time.Duration // the most to keep
	packets []Packet
	length  time.Duration // from the first to the last, without breaks of the clock
	bytes   int
}

// step is how long after packet i the next one comes.
func (e *earlySound) step(i int) time.Duration {
	at, next := shownAt(e.packets[i]), shownAt(e.packets[i+1])
	if !goesOn(at, next) {
		return 0
	}
	return next - at
}

// add keeps p; lost is told what is not kept any more.
func (e *earlySound) add(p Packet, lost *configs) {
	e.packets, e.bytes = append(e.packets, p), e.bytes+p.Size()
	if n := len(e.packets); n > 1 {
		e.length += e.step(n - 2)
	}
	for first := &e.packets[0]; e.bytes > earlyBytes || e.length > e.span; first = &e.packets[0] {
		if len(e.packets) > 1 {
			e.length -= e.step(0)
		}
		e.bytes -= first.Size()
		lost.lose(*first)
		*first = Packet{}
		if e.packets = e.packets[1:]; len(e.packets) == 0 {
			return
		}
	}
}

// decodedAt is a packet's DTS, or its PTS where it has none: libav does not know
// that of a track's first pictures before it has seen some of them.
func decodedAt(p Packet) time.Duration {
	if p.NoDTS {
		return p.PTS
	}
	return p.DTS
}

// orderWatch notices B-frames: pictures whose PTS do not rise in the order of
// their DTS. A constant distance between PTS and DTS is none.
type orderWatch struct {
	any  bool
	last time.Duration
}

func (w *orderWatch) reordered(p Packet) bool {
	if p.NoPTS {
		return false
	}
	back := w.any && p.PTS < w.last && w.last-p.PTS < lookaheadSpan
	w.any, w.last = true, p.PTS
	return back
}

// rateWatch counts pictures over the time between them.
type rateWatch struct {
	pictures int // with a DTS
	first    time.Duration
}

// fps returns how many pictures a second have come, p included; 0 when that is
// not known.
func (w *rateWatch) fps(p Packet) float64 {
	if p.NoDTS {
		return 0
	}
	if w.pictures++; w.pictures == 1 {
		w.first = p.DTS
	}
	span := p.DTS - w.first
	if span <= 0 {
		return 0
	}
	return float64(w.pictures-1) / span.Seconds()
}

// keyWatch notices once that keyframes are further apart than the room advises.
type keyWatch struct {
	limit time.Duration // 0: there is no advice
	any   bool
	last  time.Duration // DTS of the last keyframe
	told  bool
}

func (w *keyWatch) tooFar(p Packet) bool {
	if p.Keyframe {
		w.any, w.last = true, p.DTS
	}
	far := w.any && !w.told && w.limit > 0 && p.DTS-w.last > w.limit
	w.told = w.told || far
	return far
}
