package clock

import (
	"time"

	"github.com/roomcast/roomcast/media"
)

// StartGate leaves packets out until one that a decoder can start with: a
// video keyframe, or anything where there is no video. Audio from before the
// first picture is left out, too.
type StartGate struct {
	Video     int // index of the video track
	AudioOnly bool
	Open      bool
	From      time.Duration // PTS of the first picture
	heard     bool          // sound from after it has come
}

func NewStartGate(tracks []media.Track) *StartGate {
	g := &StartGate{AudioOnly: true}
	for i, t := range tracks {
		if t.Type == media.Video {
			g.Video, g.AudioOnly = i, false
		}
	}
	return g
}

func (g *StartGate) IsKey(p *media.Packet) bool {
	return g.AudioOnly || (p.Track == g.Video && p.Keyframe)
}

// Kind returns the type of p's track.
func (g *StartGate) Kind(p *media.Packet) media.MediaType {
	if !g.AudioOnly && p.Track == g.Video {
		return media.Video
	}
	return media.Audio
}

func (g *StartGate) Pass(p *media.Packet) bool {
	if !g.Open {
		if !g.IsKey(p) {
			return false
		}
		g.Open, g.From = true, ShownAt(p)
		return true
	}
	if g.Kind(p) == media.Video || g.AudioOnly {
		g.heard = g.heard || g.From-ShownAt(p) > MaxBackward // the clock has jumped: from tells nothing any more
		return true
	}
	end := ShownAt(p) + p.Duration
	g.heard = g.heard || end > g.From || g.From-end > MaxApart
	return g.heard
}

// DecodedAt is a packet's DTS, or its PTS where it has none: libav does not know
// that of a track's first pictures before it has seen some of them.
func DecodedAt(p *media.Packet) time.Duration {
	if p.NoDTS {
		return p.PTS
	}
	return p.DTS
}

func ShownAt(p *media.Packet) time.Duration {
	if p.NoPTS {
		return p.DTS
	}
	return p.PTS
}
