package libav

// #include <libavutil/pixdesc.h>
// #include "codec.h"
import "C"

import (
	"fmt"
	"math"
	"strings"

	"github.com/asticode/go-astiav"
	"github.com/roomcast/roomcast/media"
)

// picture is what of a decoded picture decides about its filters.
type picture struct {
	width, height int
	pixels        media.PixelShape
	format        astiav.PixelFormat
	rangeOf       astiav.ColorRange
	space         astiav.ColorSpace
	transfer      astiav.ColorTransferCharacteristic
	interlaced    bool
	mirrored      bool
	rotation      int
	transparent   bool
}

// hdPicture is from how many lines on a picture without a word about it has
// the colours of BT.709 rather than BT.601.
const hdPicture = 720

// newPicture describes a decoded picture of t.
func newPicture(info *C.rc_frame, t media.Track) picture {
	p := picture{
		width: int(info.width), height: int(info.height), pixels: t.Pixels,
		format: astiav.PixelFormat(info.format), rangeOf: astiav.ColorRange(info._range),
		space: astiav.ColorSpace(info.space), transfer: astiav.ColorTransferCharacteristic(info.transfer),
		interlaced: info.interlaced != 0, mirrored: t.Mirrored, rotation: t.Rotation,
		transparent: C.rc_transparent(info.format) != 0,
	}
	if !t.PixelsFixed {
		p.pixels = media.PixelShape{Width: int(info.sar_num), Height: int(info.sar_den)}
	}
	return p
}

// aspectOf is a shape as libav has it.
func aspectOf(s media.PixelShape) astiav.Rational {
	if s.Aspect() == 1 {
		return astiav.NewRational(1, 1)
	}
	return astiav.NewRational(s.Width, s.Height)
}

// hdr says that the picture has more light than a room's screen.
func (p picture) hdr() bool { return isHDR(p.transfer) }

// matrix is the picture's, or the usual one for its size.
func (p picture) matrix() astiav.ColorSpace {
	switch p.space {
	case C.AVCOL_SPC_UNSPECIFIED, C.AVCOL_SPC_RESERVED:
		return matrixOf(p.height)
	case C.AVCOL_SPC_BT470BG:
		return C.AVCOL_SPC_SMPTE170M // the same numbers
	}
	return p.space
}

func matrixOf(height int) astiav.ColorSpace {
	if height >= hdPicture {
		return C.AVCOL_SPC_BT709
	}
	return C.AVCOL_SPC_SMPTE170M
}

// size is a number of pixels by a number of lines.
type size struct{ width, height int }

// fit returns the size, even, in which the picture, turned upright, fills as
// much of the output as its shape allows.
func (p picture) fit(to media.VideoOutput) size {
	width, height := float64(p.width)*p.pixels.Aspect(), float64(p.height)
	if p.rotation%180 != 0 {
		width, height = height, width
	}
	scale := min(float64(to.Width)/width, float64(to.Height)/height)
	return size{even(width*scale, to.Width), even(height*scale, to.Height)}
}

// even rounds to an even number from 2 to most; what is a hair short of most is most.
func even(v float64, most int) int {
	n := int(math.Round(v/2)) * 2
	if most-n <= 2 {
		return most
	}
	return max(2, n)
}

// chain returns the filters that make an output of the picture, in libav's
// language; nothing when it is one already.
func (p picture) chain(to media.VideoOutput) string {
	var filters []string
	if p.interlaced {
		filters = append(filters, "bwdif=mode=send_frame:deint=interlaced")
	}
	inner := p.fit(to)
	filters = append(filters, p.scale(inner, to)...)
	if p.mirrored {
		filters = append(filters, "hflip")
	}
	if turn, ok := turns[p.rotation]; ok {
		filters = append(filters, turn)
	}
	if inner != (size{to.Width, to.Height}) {
		x, y := (to.Width-inner.width)/4*2, (to.Height-inner.height)/4*2 // even: the colours are half size
		filters = append(filters, fmt.Sprintf("pad=%d:%d:%d:%d:black", to.Width, to.Height, x, y))
	}
	return strings.Join(filters, ",")
}

// turns are the filters that turn clockwise by so many degrees.
var turns = map[int]string{90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}

// small returns the filters that make of the picture one of another size, as
// JPEG has its colours: BT.601, of full range (JFIF 1.02).
func (p picture) small(to size) string {
	s := fmt.Sprintf("scale=%d:%d:flags=area:out_range=pc:out_color_matrix=smpte170m", to.width, to.height)
	if p.space == C.AVCOL_SPC_UNSPECIFIED {
		s += ":in_color_matrix=" + p.matrix().Name()
	}
	return s + ",format=yuv420p"
}

// scale brings size, colours and format to the output's, before the turn. An
// HDR picture keeps its colours: what they become is the toneMap's.
func (p picture) scale(inner size, to media.VideoOutput) []string {
	if p.rotation%180 != 0 {
		inner.width, inner.height = inner.height, inner.width
	}
	s := fmt.Sprintf("scale=%d:%d:flags=bicubic:out_range=tv", inner.width, inner.height)
	if p.hdr() {
		return []string{s, "format=yuv420p10le", "setsar=1"}
	}
	same := inner == size{p.width, p.height} && p.format == astiav.PixelFormatYuv420P && p.rangeOf != astiav.ColorRangeJpeg
	if same && p.matrix() == matrixOf(to.Height) {
		return nil
	}
	s += ":out_color_matrix=" + matrixOf(to.Height).Name()
	if p.space == C.AVCOL_SPC_UNSPECIFIED {
		s += ":in_color_matrix=" + p.matrix().Name()
	}
	if p.transparent { // what is behind it is onBlack's
		return []string{s, "format=yuva420p", "setsar=1"}
	}
	return []string{s, "format=yuv420p", "setsar=1"}
}
