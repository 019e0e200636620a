package media

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
)

// PixelShape is how wide a picture's pixels are to how high: 64 to 45 for PAL
// of 16:9. The zero value is not known.
type PixelShape struct{ Width, Height int }

const (
	nearlySquare = 1.03 // nobody sees that: 80:81 is common
	oddestPixel  = 20   // beyond it is nonsense
)

// Aspect is the width of a pixel of height 1. It is 1 for what is nearly
// square, not known or nonsense.
func (s PixelShape) Aspect() float64 {
	if s.Width <= 0 || s.Height <= 0 {
		return 1
	}
	aspect := float64(s.Width) / float64(s.Height)
	if far := max(aspect, 1/aspect); far <= nearlySquare || far > oddestPixel {
		return 1
	}
	return aspect
}

func (s PixelShape) String() string { return fmt.Sprintf("%d:%d", s.Width, s.Height) }

// pixelShapes are those with a number of their own (ITU-T H.264, table E-1).
var pixelShapes = [...]PixelShape{
	1: {1, 1}, {12, 11}, {10, 11}, {16, 11}, {40, 33}, {24, 11}, {20, 11}, {32, 11},
	{80, 33}, {18, 11}, {15, 11}, {64, 33}, {160, 99}, {4, 3}, {3, 2}, {2, 1},
}

// extendedSAR says that the shape follows (ITU-T H.264, E.2.1).
const extendedSAR = 255

// pixelsOf returns the shape that a sequence parameter set tells.
func pixelsOf(sps h264.SPS) PixelShape {
	v := sps.VUI
	switch {
	case v == nil || !v.AspectRatioInfoPresentFlag:
		return PixelShape{}
	case v.AspectRatioIdc == extendedSAR:
		return PixelShape{Width: int(v.SarWidth), Height: int(v.SarHeight)}
	case int(v.AspectRatioIdc) < len(pixelShapes):
		return pixelShapes[v.AspectRatioIdc]
	}
	return PixelShape{}
}
