package program

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/media"
)

func TestTheSourceIsAskedForPicturesThatTheRoomTakes(t *testing.T) {
	pg := New(Config{Rules: media.Rules{MaxWidth: 1280, MaxHeight: 720}}, media.Job{})
	require.Equal(t, media.Bounds{Long: 1280, Short: 720}, pg.playlist.Source.Bounds)
	for size, within := range map[[2]int]bool{{1280, 720}: true, {720, 1280}: true, {1281, 720}: false, {720, 1282}: false, {800, 800}: false} {
		require.Equal(t, within, pg.Source.Bounds.Hold(size[0], size[1]), size)
	}
	require.True(t, media.Bounds{}.Hold(9000, 9000))
}
