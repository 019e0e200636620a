package libav

import (
	"strings"

	"github.com/roomcast/roomcast/media"
)

// retimer mends what libav makes of the times of a container: there is one for each
// container of which that is wrong. It reads the packets of a demuxer.
type retimer interface {
	read() (media.Packet, error)
	reset() // the demuxer has jumped
	close()
}

func newRetimer(d *demuxer) retimer {
	if v := newVorbisClock(d); v != nil {
		return v
	}
	if e := newEdits(d); e != nil {
		return e
	}
	if strings.HasPrefix(d.container.info.Container, "matroska") {
		return &untimed{raw: d.read}
	}
	return asRead{d}
}

// asRead is for the other containers.
type asRead struct{ *demuxer }

func (asRead) reset() {}
func (asRead) close() {}
