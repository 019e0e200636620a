package libav

// #include <libavutil/pixfmt.h>
import "C"

import (
	"math"

	"github.com/asticode/go-astiav"
)

// upright is how the container says to show the picture: whether mirrored (left
// is right), and turned clockwise by how many degrees after that, the nearest of
// 0, 90, 180 and 270.
func upright(p *astiav.CodecParameters) (mirrored bool, rotation int) {
	m, ok := p.SideData().DisplayMatrix().Get()
	if !ok {
		return false, 0
	}
	at := func(i int) int64 { return int64(int32(m[i])) }
	if mirrored = at(0)*at(4) < at(1)*at(3); mirrored {
		m[0], m[1] = -m[0], -m[1]
	}
	turn := m.Rotation()
	if math.IsNaN(turn) { // a matrix of zeros
		return false, 0
	}
	return mirrored, (int(math.Round(turn/90))*90%360 + 360) % 360
}

// isHDR says that a transfer function is PQ or HLG (ITU-R BT.2100).
func isHDR(t astiav.ColorTransferCharacteristic) bool {
	return t == C.AVCOL_TRC_SMPTE2084 || t == C.AVCOL_TRC_ARIB_STD_B67
}
