package media

import "bytes"

// announcer has the decoder configurations that the room was told, by track. It
// is the last before the wire: what is left out on the way there takes no
// announcement with it.
type announcer [2][]byte

// newAnnouncer returns the announcer of a room that was opened with tracks.
func newAnnouncer(tracks []Track) *announcer {
	a := &announcer{}
	for i, t := range tracks {
		a[i] = t.Extradata
	}
	return a
}

// announce returns p, which a mixer gave out, with its decoder configuration
// where the room has not got it. A picture carries its parameter sets in itself
// as well (ISO/IEC 14496-15, 5.3.4.1.2 allows it): parsers that have begun look
// for them there.
func (a *announcer) announce(p Packet) Packet {
	if bytes.Equal(p.config, a[p.Track]) {
		return p
	}
	a[p.Track], p.Extradata = p.config, p.config
	if p.kind == Video && lengthSize(p.config) == 4 {
		p.Data = append(parameterSetsOf(p.config), p.Data...)
	}
	return p
}
