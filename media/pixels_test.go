package media

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// configurations of 64x48 by x264, of pixels of these shapes.
var shaped = map[PixelShape]string{
	{Width: 1, Height: 1}:   "0142c00affe100156742c00ada11ec0440000003004000000503c489a801000468ce0fc8",
	{Width: 4, Height: 3}:   "0142c00affe100156742c00ada11ec3840000003004000000503c489a801000468ce0fc8",
	{Width: 64, Height: 45}: "0142c00affe100196742c00ada11effc010000b440000003004000000503c489a801000468ce0fc8",
}

func shapedTrack(t *testing.T, s PixelShape) Track {
	t.Helper()
	config, err := hex.DecodeString(shaped[s])
	require.NoError(t, err)
	return Track{Type: Video, Codec: H264, Width: 64, Height: 48, Extradata: config}
}

func TestAPictureIsReencodedToTheShapeThatItIsShownIn(t *testing.T) {
	room := Rules{MaxWidth: 1920, MaxHeight: 1080}
	for _, c := range []struct {
		width, height int
		pixels        PixelShape
		rotation      int
		wish          VideoWish
		want          [2]int
	}{
		{720, 576, PixelShape{Width: 64, Height: 45}, 0, VideoWish{}, [2]int{1024, 576}},
		{720, 576, PixelShape{Width: 16, Height: 15}, 0, VideoWish{}, [2]int{768, 576}},
		{720, 480, PixelShape{Width: 8, Height: 9}, 0, VideoWish{}, [2]int{640, 480}},
		{720, 480, PixelShape{Width: 32, Height: 27}, 0, VideoWish{}, [2]int{852, 480}},
		{1440, 1080, PixelShape{Width: 4, Height: 3}, 0, VideoWish{}, [2]int{1920, 1080}},
		{1920, 1080, PixelShape{Width: 4, Height: 3}, 0, VideoWish{}, [2]int{1920, 810}},
		{1920, 1080, PixelShape{Width: 4320, Height: 4319}, 0, VideoWish{}, [2]int{1920, 1080}},
		{720, 576, PixelShape{Width: 64, Height: 45}, 90, VideoWish{}, [2]int{576, 1024}},
		{720, 576, PixelShape{Width: 64, Height: 45}, 270, VideoWish{Width: 288}, [2]int{288, 512}},
		{720, 576, PixelShape{Width: 64, Height: 45}, 0, VideoWish{Height: 288}, [2]int{512, 288}},
		{720, 576, PixelShape{Width: 64, Height: 45}, 0, VideoWish{Width: 720, Height: 576}, [2]int{720, 576}},
		{720, 576, PixelShape{Width: 0, Height: 1}, 0, VideoWish{}, [2]int{720, 576}},
		{720, 576, PixelShape{Width: 50, Height: 1}, 0, VideoWish{}, [2]int{720, 576}},
	} {
		t.Run(fmt.Sprintf("%dx%d of %s turned by %d", c.width, c.height, c.pixels, c.rotation), func(t *testing.T) {
			o := videoOutput(room, Track{Width: c.width, Height: c.height, Pixels: c.pixels, Rotation: c.rotation}, c.wish)
			require.Equal(t, c.want, [2]int{o.Width, o.Height})
		})
	}
}

func TestACopyEndsWhereThePixelsChange(t *testing.T) {
	square, wide := shapedTrack(t, PixelShape{Width: 1, Height: 1}), shapedTrack(t, PixelShape{Width: 64, Height: 45})
	picture := Packet{Keyframe: true, Data: []byte{0, 0, 0, 2, 0x65, 0x88}}
	for name, c := range map[string]struct {
		next   Track
		reason string
	}{
		"the same":   {square, ""},
		"anamorphic": {wide, "pixels changed to 64:45"},
		"of 4:3":     {shapedTrack(t, PixelShape{Width: 4, Height: 3}), "pixels changed to 4:3"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newCopyLane(Rules{}, square, newConformer(square))
			_, err := l.put(picture)
			require.NoError(t, err)
			opened := l.input(c.next, newConformer(c.next))
			in := picture
			in.Extradata = c.next.Extradata
			_, inStream := newCopyLane(Rules{}, square, newConformer(square)).put(in)
			for _, err := range []error{opened, inStream} {
				if c.reason == "" {
					require.NoError(t, err)
				} else {
					require.EqualError(t, err, c.reason)
				}
			}
		})
	}
}
