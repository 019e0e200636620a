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

// decodedAt is a packet's DTS, or its PTS where it has none: libav does not know
// that of a track's first pictures before it has seen some of them.
func decodedAt(p Packet) time.Duration {
	if p.NoDTS {
		return p.PTS
	}
	return p.DTS
}

func shownAt(p Packet) time.Duration {
	if p.NoPTS {
		return p.DTS
	}
	return p.PTS
}
