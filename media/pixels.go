package media

import (
	"fmt"
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
