package bitstream

import (
	"math"

	"github.com/bluenviron/mediacommon/v2/pkg/bits"

	"github.com/roomcast/roomcast/media"
)

// orientation is how a picture is to be shown, as media.Track has it.
type orientation struct {
	mirrored bool
	rotation int
}

// orientationIn returns what a unit of supplemental information of H.264 says of how
// the picture is to be shown (ITU-T H.264, 7.3.2.3.1, D.1.27: display orientation);
// false where it says nothing.
func orientationIn(sei []byte) (o orientation, told bool) {
	const displayOrientation, stop = 47, 0x80
	for rest := sei[1:]; len(rest) > 1 && rest[0] != stop; {
		var kind, size int
		if kind, rest = sizeOfMessage(rest); len(rest) == 0 {
			return o, false
		}
		if size, rest = sizeOfMessage(rest); size > len(rest) {
			return o, false
		}
		if kind == displayOrientation {
			return readOrientation(rest[:size])
		}
		rest = rest[size:]
	}
	return o, false
}

// sizeOfMessage reads a number of which each byte of ones is followed by more.
func sizeOfMessage(b []byte) (n int, rest []byte) {
	for len(b) > 0 && b[0] == 0xff {
		n, b = n+0xff, b[1:]
	}
	if len(b) == 0 {
		return 0, nil
	}
	return n + int(b[0]), b[1:]
}

func readOrientation(message []byte) (o orientation, told bool) {
	at := 0
	flags, err := bits.ReadBits(message, &at, 3)
	if err != nil {
		return o, false
	}
	anticlockwise, err := bits.ReadBits(message, &at, 16)
	const canceled, leftRight, upsideDown, quarter = 4, 2, 1, 1 << 14
	if err != nil || flags&canceled != 0 {
		return o, false
	}
	o.rotation = 360 - 90*int(math.Round(float64(anticlockwise)/quarter))
	o.mirrored = flags&leftRight != 0
	if flags&upsideDown != 0 { // it is mirrored and turned
		o.mirrored, o.rotation = !o.mirrored, o.rotation+180
	}
	o.rotation %= 360
	return o, o != orientation{}
}

// Turned returns t as the pictures themselves say that they are to be shown, unless
// the container does.
func Turned(t media.Track, c Filter) media.Track {
	if seen, ok := c.(interface{ shownAs() orientation }); ok && !t.Mirrored && t.Rotation == 0 {
		t.Mirrored, t.Rotation = seen.shownAs().mirrored, seen.shownAs().rotation
	}
	return t
}
