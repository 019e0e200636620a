package program

import (
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/bitstream"
)

// configurations of 64x48 by x264, of pixels of these shapes.
var shaped = map[media.PixelShape]string{
	{Width: 1, Height: 1}:   "0142c00affe100156742c00ada11ec0440000003004000000503c489a801000468ce0fc8",
	{Width: 4, Height: 3}:   "0142c00affe100156742c00ada11ec3840000003004000000503c489a801000468ce0fc8",
	{Width: 64, Height: 45}: "0142c00affe100196742c00ada11effc010000b440000003004000000503c489a801000468ce0fc8",
}

func shapedTrack(t *testing.T, s media.PixelShape) media.Track {
	t.Helper()
	config, err := hex.DecodeString(shaped[s])
	require.NoError(t, err)
	return media.Track{Type: media.Video, Codec: media.H264, Width: 64, Height: 48, Extradata: config}
}

func TestAPictureIsReencodedToTheShapeThatItIsShownIn(t *testing.T) {
	room := media.Rules{MaxWidth: 1920, MaxHeight: 1080}
	for _, c := range []struct {
		width, height int
		pixels        media.PixelShape
		rotation      int
		wish          media.VideoOptions
		want          [2]int
	}{
		{720, 576, media.PixelShape{Width: 64, Height: 45}, 0, media.VideoOptions{}, [2]int{1024, 576}},
		{720, 576, media.PixelShape{Width: 16, Height: 15}, 0, media.VideoOptions{}, [2]int{768, 576}},
		{720, 480, media.PixelShape{Width: 8, Height: 9}, 0, media.VideoOptions{}, [2]int{640, 480}},
		{720, 480, media.PixelShape{Width: 32, Height: 27}, 0, media.VideoOptions{}, [2]int{852, 480}},
		{1440, 1080, media.PixelShape{Width: 4, Height: 3}, 0, media.VideoOptions{}, [2]int{1920, 1080}},
		{1920, 1080, media.PixelShape{Width: 4, Height: 3}, 0, media.VideoOptions{}, [2]int{1920, 810}},
		{1920, 1080, media.PixelShape{Width: 4320, Height: 4319}, 0, media.VideoOptions{}, [2]int{1920, 1080}},
		{720, 576, media.PixelShape{Width: 64, Height: 45}, 90, media.VideoOptions{}, [2]int{576, 1024}},
		{720, 576, media.PixelShape{Width: 64, Height: 45}, 270, media.VideoOptions{Width: 288}, [2]int{288, 512}},
		{720, 576, media.PixelShape{Width: 64, Height: 45}, 0, media.VideoOptions{Height: 288}, [2]int{512, 288}},
		{720, 576, media.PixelShape{Width: 64, Height: 45}, 0, media.VideoOptions{Width: 720, Height: 576}, [2]int{720, 576}},
		{720, 576, media.PixelShape{Width: 0, Height: 1}, 0, media.VideoOptions{}, [2]int{720, 576}},
		{720, 576, media.PixelShape{Width: 50, Height: 1}, 0, media.VideoOptions{}, [2]int{720, 576}},
	} {
		t.Run(fmt.Sprintf("%dx%d of %s turned by %d", c.width, c.height, c.pixels, c.rotation), func(t *testing.T) {
			o := videoOutput(room, media.Track{Width: c.width, Height: c.height, Display: media.Display{Pixels: c.pixels, Rotation: c.rotation}}, c.wish)
			require.Equal(t, c.want, [2]int{o.Width, o.Height})
		})
	}
}

func TestACopyEndsWhereThePixelsChange(t *testing.T) {
	square, wide := shapedTrack(t, media.PixelShape{Width: 1, Height: 1}), shapedTrack(t, media.PixelShape{Width: 64, Height: 45})
	picture := media.Packet{Keyframe: true, Data: []byte{0, 0, 0, 2, 0x65, 0x88}}
	for name, c := range map[string]struct {
		next   media.Track
		reason string
	}{
		"the same":   {square, ""},
		"anamorphic": {wide, "pixels changed to 64:45"},
		"of 4:3":     {shapedTrack(t, media.PixelShape{Width: 4, Height: 3}), "pixels changed to 4:3"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newCopiedTrack(media.Rules{}, square, bitstream.NewFilter(square))
			_, err := l.put(picture)
			require.NoError(t, err)
			opened := l.input(c.next, bitstream.NewFilter(c.next))
			in := picture
			in.Extradata = c.next.Extradata
			_, inStream := newCopiedTrack(media.Rules{}, square, bitstream.NewFilter(square)).put(in)
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
