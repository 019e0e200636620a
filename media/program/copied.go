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
	gop     bitstream.GOP // of the video, as the source carries it, where it may be re-encoded
	recodes bool          // it may
	shape   media.Track   // out as its decoder configuration has it
	damaged int64
	one     [1]media.Packet
	// told is the configuration of what was made up before, where it does for
	// what is copied, too: viewers are told nothing new.
	told []byte
}

func newCopiedTrack(r media.Rules, t media.Track, filter bitstream.Filter) *copiedTrack {
	t.Extradata = filter.Config()
	return &copiedTrack{rules: r, out: t, filter: filter, shape: bitstream.ShapeOf(t)}
}

func (c *copiedTrack) track() media.Track {
	t := c.out
	if c.told != nil {
		t.Extradata = c.told
	}
	return t
}

func (c *copiedTrack) flush() ([]media.Packet, error) { return nil, nil }

func (c *copiedTrack) takeDamaged() int64 {
	n := c.damaged
	c.damaged = 0
	return n
}

// input goes on with a source opened anew. The room's track stays what it is:
// another size or rate is a *planChange.
func (c *copiedTrack) input(t media.Track, filter bitstream.Filter) error {
	if reason := bitstream.Difference(c.shape, bitstream.Configured(t, filter.Config())); reason != "" {
		return &planChange{reason}
	}
	c.filter, c.order, c.cuts = filter, bitstream.OrderWatch{}, bitstream.CutWatch{}
	c.gop.Reset()
	return nil
}

func (c *copiedTrack) put(p media.Packet) ([]media.Packet, error) {
	if p.NoPTS {
		p.PTS, p.NoPTS = p.DTS, false
	}
	video := c.out.Type == media.Video
	if video && c.order.Reordered(&p) && !c.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	if video && c.cuts.Cut(&p) {
		return nil, &planChange{reasonCut}
	}
	if p.Extradata != nil {
		c.filter = bitstream.NewFilter(media.Track{Type: c.out.Type, Codec: c.out.Codec, Extradata: p.Extradata})
	}
	raw := p
	data, err := c.filter.Conform(p.Data)
	if err != nil || len(data) == 0 {
		c.damaged++
		return nil, nil
	}
	if c.filter.Bidirectional() && !c.rules.BFrames {
		return nil, &planChange{reasonBFrames}
	}
	p.Data, p.Extradata = data, nil
	if config := c.filter.Config(); !bytes.Equal(config, c.out.Extradata) && config != nil {
		if err := c.reconfigure(config); err != nil {
			return nil, err
		}
	}
	if video && c.recodes {
		c.gop.Add(raw)
	}
	c.one[0] = p
	return c.one[:], nil
}

// reconfigure takes a new decoder configuration if it leaves the track what it
// is to viewers.
func (c *copiedTrack) reconfigure(config []byte) error {
	shape := bitstream.Configured(c.out, config)
	if reason := bitstream.Difference(c.shape, shape); reason != "" {
		return &planChange{reason}
	}
	c.shape, c.out.Extradata = shape, config
	return nil
}
