package bitstream

import (
	"github.com/roomcast/roomcast/media"
)

// Pending carries what packets that are left out tell of a track to the next one
// that is not: a source tells it once.
type Pending [2]news

// news is a new decoder configuration, or another stream.
type news struct {
	extradata []byte
	change    *media.Track
}

// LeaveOut releases p, which nobody gets, and notes what it tells of those after it.
func (c *Pending) LeaveOut(p *media.Packet) {
	p.Release()
	if p.Change != nil {
		c[p.Track] = news{change: p.Change}
	}
	if p.Extradata != nil {
		c[p.Track].extradata = p.Extradata
	}
}

// Attach gives p what those before it told.
func (c *Pending) Attach(p *media.Packet) {
	told := c[p.Track]
	c[p.Track] = news{}
	if p.Change != nil {
		return
	}
	p.Change = told.change
	if p.Extradata == nil {
		p.Extradata = told.extradata
	}
}
