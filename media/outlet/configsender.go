package outlet

import (
	"bytes"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// configSender has the decoder configurations that the room was told, by track. It
// is the last before the wire: what is left out on the way there takes no
// announcement with it.
type configSender [2][]byte

// newConfigSender returns the configuration sender of a room that was opened with tracks.
func newConfigSender(tracks []media.Track) *configSender {
	a := &configSender{}
	for i, t := range tracks {
		a[i] = t.Extradata
	}
	return a
}

// attach gives p, which a program gave out, its decoder configuration where the room
// has not got it. A picture carries its parameter sets in itself as well (ISO/IEC
// 14496-15, 5.3.4.1.2 allows it): parsers that have begun look for them there.
func (a *configSender) attach(p *media.Packet) {
	if bytes.Equal(p.Config, a[p.Track]) {
		return
	}
	a[p.Track], p.Extradata = p.Config, p.Config
	if p.Kind == media.Video && bitstream.LengthSize(p.Config) == 4 {
		p.Data = append(bitstream.ParameterSetsOf(p.Config), p.Data...)
	}
}
