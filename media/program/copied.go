package program

import (
	"bytes"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// planChange says that a track cannot be copied any more, and why.
type planChange struct{ reason string }

func (c *planChange) Error() string { return c.reason }

// copiedTrack brings packets into FLV's form and otherwise leaves them alone.
type copiedTrack struct {
	rules   media.Rules
	out     media.Track
	filter  bitstream.Filter
	order   bitstream.OrderWatch
	cuts    bitstream.CutWatch
	gop     bitstream.GOP // of the video, as the source carries it
	shape   media.Track   // out as its decoder configuration has it
	damaged int64
	one     [1]media.Packet
	// told is the configuration of what was made up before, where it does for
	// what is copied, too: viewers are told nothing new.
	told []byte
}

func newCopiedTrack(r media.Rules, t media.Track, c bitstream.Filter) *copiedTrack {
	t.Extradata = c.Config()
	return &copiedTrack{rules: r, out: t, filter: c, shape: bitstream.ShapeOf(t)}
}

func (l *copiedTrack) track() media.Track {
	t := l.out
	if l.told != nil {
		t.Extradata = l.told
	}
	return t
}

func (l *copiedTrack) flush() ([]media.Packet, error) { return nil, nil }

func (l *copiedTrack) takeDamaged() int64 {
	n := l.damaged
	l.damaged = 0
	return n
}

// input goes on with a source opened anew. The room's track stays what it is:
// another size or rate is a *planChange.
func (l *copiedTrack) input(t media.Track, c bitstream.Filter) error {
	if reason := bitstream.Difference(l.shape, bitstream.Configured(t, c.Config())); reason != "" {
		return &planChange{reason}
	}
	l.filter, l.order, l.cuts, l.gop = c, bitstream.OrderWatch{}, bitstream.CutWatch{}, bitstream.GOP{}
	return nil
}

func (l *copiedTrack) put(p media.Packet) ([]media.Packet, error) {
	if p.NoPTS {
		p.PTS, p.NoPTS = p.DTS, false
	}
	video := l.out.Type == media.Video
	if video && l.order.Reordered(p) && !l.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	if video && l.cuts.Cut(p) {
		return nil, &planChange{reasonCut}
	}
	if p.Extradata != nil {
		l.filter = bitstream.NewFilter(media.Track{Type: l.out.Type, Codec: l.out.Codec, Extradata: p.Extradata})
	}
	raw := p
	data, err := l.filter.Conform(p.Data)
	if err != nil || len(data) == 0 {
		l.damaged++
		return nil, nil
	}
	if l.filter.Bidirectional() && !l.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	p.Data, p.Extradata = data, nil
	if config := l.filter.Config(); !bytes.Equal(config, l.out.Extradata) && config != nil {
		if err := l.reconfigure(config); err != nil {
			return nil, err
		}
	}
	if video {
		l.gop.Add(raw)
	}
	l.one[0] = p
	return l.one[:], nil
}

// reconfigure takes a new decoder configuration if it leaves the track what it
// is to viewers.
func (l *copiedTrack) reconfigure(config []byte) error {
	shape := bitstream.Configured(l.out, config)
	if reason := bitstream.Difference(l.shape, shape); reason != "" {
		return &planChange{reason}
	}
	l.shape, l.out.Extradata = shape, config
	return nil
}
