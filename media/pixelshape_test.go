package media

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPixelsAreSquareWhereTheyAreNearlyOrCannotBeBelieved(t *testing.T) {
	for shape, want := range map[PixelShape]float64{
		{}: 1, {1, 1}: 1, {0, 5}: 1, {5, 0}: 1, {-4, 3}: 1, {-4, -3}: 1, {4320, 4319}: 1, {100, 101}: 1, {80, 81}: 1, {1920, 1888}: 1,
		{21, 1}: 1, {1, 21}: 1, {1 << 30, 1}: 1,
		{64, 45}: 64. / 45, {8, 9}: 8. / 9, {1920, 1824}: 1920. / 1824, {20, 1}: 20, {1, 20}: .05,
	} {
		require.Equal(t, want, shape.Aspect(), "%s", shape)
	}
}
