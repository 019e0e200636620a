package bitstream

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

// displayOrientation is the message of that name.
func displayOrientation(canceled, leftRight, upsideDown bool, anticlockwise int) []byte {
	bit := map[bool]uint32{true: 1}
	all := bit[canceled]<<31 | bit[leftRight]<<30 | bit[upsideDown]<<29 | uint32(anticlockwise<<16/360)<<13 | 0b101<<10
	return []byte{47, 3, byte(all >> 24), byte(all >> 16), byte(all >> 8)}
}

func TestWhatPicturesSayOfHowTheyAreShownIsRead(t *testing.T) {
	userData := slices.Concat([]byte{5, 0xff, 45}, make([]byte, 300))
	for name, c := range map[string]struct {
		message []byte
		want    orientation
		told    bool
	}{
		"to the left":          {displayOrientation(false, false, false, 90), orientation{rotation: 270}, true},
		"upside down":          {displayOrientation(false, false, false, 180), orientation{rotation: 180}, true},
		"to the right":         {displayOrientation(false, false, false, 270), orientation{rotation: 90}, true},
		"nearly to the right":  {displayOrientation(false, false, false, 265), orientation{rotation: 90}, true},
		"mirrored":             {displayOrientation(false, true, false, 0), orientation{mirrored: true}, true},
		"both ways":            {displayOrientation(false, true, true, 0), orientation{rotation: 180}, true},
		"top to bottom":        {displayOrientation(false, false, true, 90), orientation{mirrored: true, rotation: 90}, true},
		"as it is":             {displayOrientation(false, false, false, 0), orientation{}, false},
		"no more":              {displayOrientation(true, false, false, 90), orientation{}, false},
		"behind something":     {slices.Concat(userData, displayOrientation(false, false, false, 90)), orientation{rotation: 270}, true},
		"cut off":              {[]byte{47, 3, 8}, orientation{}, false},
		"shorter than it must": {[]byte{47, 1, 8, 0x80}, orientation{}, false},
		"nothing":              {nil, orientation{}, false},
		"a size without end":   {[]byte{0xff, 0xff, 0xff}, orientation{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, told := orientationIn(append(append([]byte{6}, c.message...), 0x80))
			require.Equal(t, c.told, told)
			if told {
				require.Equal(t, c.want, got)
			}
		})
	}
}

func TestAContainerKnowsBetterThanItsPicturesHowTheyAreShown(t *testing.T) {
	c := &annexB{}
	_, err := c.Conform(slices.Concat(longStartCode, []byte{6}, displayOrientation(false, false, false, 90), []byte{0x80}))
	require.NoError(t, err)
	require.Equal(t, 270, Turned(media.Track{}, c).Rotation)
	require.Equal(t, 180, Turned(media.Track{Display: media.Display{Rotation: 180}}, c).Rotation)
	require.Equal(t, media.Track{Display: media.Display{Mirrored: true}}, Turned(media.Track{Display: media.Display{Mirrored: true}}, c))
	require.Equal(t, media.Track{}, Turned(media.Track{}, &adts{}))
}
