package media

// configs carries a track's new decoder configuration from packets that are left
// out to the next one that is not: a source tells it once.
type configs [2][]byte

// lose notes what p, which is left out, tells of those after it.
func (c *configs) lose(p Packet) {
	if p.Extradata != nil {
		c[p.Track] = p.Extradata
	}
}

// pass gives p what those before it told.
func (c *configs) pass(p *Packet) {
	if p.Extradata == nil {
		p.Extradata = c[p.Track]
	}
	c[p.Track] = nil
}
