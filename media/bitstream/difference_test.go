package bitstream

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestADecoderConfigurationTellsTheShapeOfPixels(t *testing.T) {
	for want, text := range map[media.PixelShape]string{ // of 64x48, by x264
		{Width: 1, Height: 1}:   "0142c00affe100156742c00ada11ec0440000003004000000503c489a801000468ce0fc8",
		{Width: 4, Height: 3}:   "0142c00affe100156742c00ada11ec3840000003004000000503c489a801000468ce0fc8",
		{Width: 64, Height: 45}: "0142c00affe100196742c00ada11effc010000b440000003004000000503c489a801000468ce0fc8",
	} {
		config, err := hex.DecodeString(text)
		require.NoError(t, err)
		require.Equal(t, want, ShapeOf(media.Track{Type: media.Video, Codec: media.H264, Extradata: config}).Pixels)
	}
}
