package program

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestTheRateOfAReencodedPictureIsCappedByTheWishAndNotByTheSource(t *testing.T) {
	for _, c := range []struct{ guess, asked, want float64 }{
		{0, 0, 30}, {12, 0, 30}, {24, 0, 30}, {60, 0, 30},
		{0, 15, 15}, {12, 15, 15}, {60, 50, 50}, {12, 50, 50},
	} {
		t.Run(fmt.Sprintf("%g, asked for %g", c.guess, c.asked), func(t *testing.T) {
			got := videoOutput(media.Rules{}, media.Track{Width: 640, Height: 360, FPS: c.guess}, media.VideoOptions{FPS: c.asked})
			require.Equal(t, c.want, got.FPS)
			require.Equal(t, videoOutput(media.Rules{}, media.Track{Width: 640, Height: 360}, media.VideoOptions{FPS: c.asked}), got)
		})
	}
}
